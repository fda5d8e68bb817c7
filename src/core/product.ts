import { Activation, ConvStep } from "./abi/conv.ts";
import { Opcode } from "./abi/opcode.ts";
import type { Core } from "./core.ts";
import { FLAT } from "./kernels.ts";
import { f32Bits, step } from "./steps.ts";

/** Sizes of a product, and what its integers are bounded by. */
export interface ProductBounds {
  /** Most rows of the left operand and columns of the right one in one call. */
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  /** Largest |Σ a·b|, and largest sum of two neighbouring products |a·b| + |a'·b'|. */
  readonly largestSum: number;
  readonly largestPair: number;
}

/**
 * The product of two int16 matrices for callers without a program: every Σ a·b exact, rounded once to f32.
 *
 * @example
 * const product = new IntegerProduct(core, { rows: 4, columns: 8, depth: 2, largestSum: 2 ** 20, largestPair: 2 ** 20 });
 * // left at `a`: rows of product.rowBytes; the right operand packed at product.panels
 * product.run(a, 4, 8, output); // f32 [4][8]
 */
export class IntegerProduct {
  /** Bytes of a row of the left operand. */
  readonly rowBytes: number;
  /** Where the right operand lies, in the panels of ConvI16. */
  readonly panels: number;
  private readonly blocks: number[] = [];
  private readonly scratchBytes: number;
  private readonly scratch: number;
  private readonly scales: number;
  private readonly columnSums: number;
  private readonly parameters: number;

  constructor(
    private readonly core: Core,
    private readonly bounds: ProductBounds,
  ) {
    const { rows, columns, depth } = bounds;
    const { exports } = core;
    const padded = exports.paddedRows(Opcode.ConvI16, columns);
    const own = (at: number): number => {
      this.blocks.push(at);
      return at;
    };
    this.rowBytes = exports.pixelStride(Opcode.ConvI16, 1, depth);
    this.scratchBytes = exports.scratchBytes(Opcode.ConvI16, 1, 1, depth, rows);
    this.panels = own(core.allocate(exports.panelBytes(Opcode.ConvI16, 1, columns, 1, depth)));
    this.scratch = own(core.allocate(this.scratchBytes));
    this.scales = own(core.place(new Float32Array(padded).fill(1)));
    this.columnSums = own(core.place(new Int32Array(padded)));
    this.parameters = own(core.place(new Int32Array([f32Bits(1), 0, 0, 0])));
  }

  /** f32 [rows][columns] at `output`. */
  run(left: number, rows: number, columns: number, output: number): void {
    const { depth, largestSum, largestPair } = this.bounds;
    const rowBytes = this.rowBytes;
    const program = this.core.write([
      step(Opcode.ConvI16, ConvStep, {
        ...{ input: left, output, weights: this.panels, bias: 0, mask: 0 },
        ...{ scales: this.scales, columnSums: this.columnSums, parameters: this.parameters },
        ...{ rowsPerParameter: rows, batch: 1, ...FLAT, inHeight: 1, inWidth: rows, outHeight: 1, outWidth: rows },
        ...{ kernelHeight: 1, kernelWidth: 1, strideHeight: 1, strideWidth: 1, dilationHeight: 1, dilationWidth: 1 },
        ...{ padTop: 0, padLeft: 0, groups: 1, channels: depth, outChannels: columns },
        ...{ batchStride: rowBytes * rows, pixelStride: rowBytes, groupStride: rowBytes },
        ...{ outBatchStride: 4 * columns * rows, outRowStride: 4 * columns * rows, outPixelStride: 4 * columns },
        ...{ weightsBatchStride: 0, scalesBatchStride: 0, panelStride: 0 },
        exactInInt32: largestSum < 2 ** 31 ? 1 : 0,
        pairsPerBlock: Math.max(1, Math.floor((2 ** 31 - 1) / largestPair)),
        turns: 0,
        ...{ activation: Activation.None, activationMin: 0, activationMax: 0, factor: f32Bits(1), shift: f32Bits(-0) },
        ...{ addend: 0, addendMin: 0, addendMax: 0, handsOver: 0 },
        ...{ scratch: this.scratch, scratchBytes: this.scratchBytes, slots: 1 },
      }),
    ]);
    this.core.run(program, 0, 1);
    this.core.release(program);
  }

  release(): void {
    for (const at of this.blocks) this.core.release(at);
  }
}
