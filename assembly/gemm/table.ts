// The pointer table of a block of rows: per tile of 4 rows, [tap][4] addresses, taps·16 bytes.
// A tile whose taps are all inside of the input needs no bounds checks, and where the pixels of a kernel row lie side by side in memory, as the
// panel's do, they are one long tap: such a merged tile has a tap for each kernel row, and 0 in the last word of its table (a stem convolution
// has 3 channels, 2 k-pairs a tap; with this and the cheaper tables 3×3 s2 224² 3→32 went from 17 to 22 GMAC/s).
import { ConvStep } from "../../src/core/abi/conv";
import { advanceOf, frontOf, insideFrom, insideTo, isRowInside, tapsOf, topOf, writePointers } from "./geometry";
import { address, argument } from "../step";

/** Whether the taps of a kernel row are one run of `tapBytes` each. */
export function isMergeable(step: usize, tapBytes: usize): bool {
  return argument(step, ConvStep.kernelWidth) > 1 && argument(step, ConvStep.dilationWidth) == 1 && address(step, ConvStep.pixelStride) == tapBytes;
}

/** Whether the tile at `tile` of `taps` taps has been merged. */
@inline
export function isMerged(tile: usize, taps: i32): bool {
  return load<usize>(tile + (<usize>taps << 4) - 4) == 0;
}

/** Writes the table of `count` output pixels from `pixel` of the sample at `input`. Rows that a last tile lacks have no entries. */
export function writeTable(step: usize, input: usize, pixel: i32, count: i32, padding: usize, table: usize, merge: bool): void {
  const outWidth = argument(step, ConvStep.outWidth);
  const from = insideFrom(step);
  const to = insideTo(step);
  const tileBytes = tapsOf(step) << 4;
  let row = pixel / outWidth;
  let column = pixel - row * outWidth;
  for (let r = 0; r < count; r += 4, table += tileBytes) {
    if (r + 4 <= count && column >= from && column + 4 <= to && isRowInside(step, row)) {
      writeInside(step, input, row, column, table, merge);
      if (merge) store<usize>(table + tileBytes - 4, 0);
    } else {
      // The last word is lane 3, which a short tile does not write.
      store<usize>(table + tileBytes - 4, padding);
      for (let i = 0; i < min(4, count - r); i++) writePointers(step, input, pixel + r + i, padding, table + <usize>(i << 2), 16);
    }
    for (column += 4; column >= outWidth; column -= outWidth) row++;
  }
}

/** The table of output pixels that see one input pixel each, in order. */
export function writeDense(step: usize, input: usize, pixel: i32, count: i32, table: usize): void {
  const pixelStride = address(step, ConvStep.pixelStride);
  const end = table + (<usize>count << 2);
  for (let at = input + <usize>pixel * pixelStride; table < end; table += 4, at += pixelStride) store<usize>(table, at);
}

function writeInside(step: usize, input: usize, row: i32, column: i32, table: usize, merge: bool): void {
  const pixelStride = address(step, ConvStep.pixelStride);
  const advance = advanceOf(step);
  const inHeight = argument(step, ConvStep.inHeight);
  const x = column * argument(step, ConvStep.strideWidth) - argument(step, ConvStep.padLeft);
  const lineStep = address(step, ConvStep.dilationHeight) * address(step, ConvStep.inWidth) * pixelStride;
  const tapStep = address(step, ConvStep.dilationWidth) * pixelStride;
  const taps = merge ? 1 : argument(step, ConvStep.kernelWidth);
  const top = topOf(step, row);
  let z = frontOf(step, row);
  for (let h = argument(step, ConvStep.kernelDepth); h > 0; h--, z += argument(step, ConvStep.dilationDepth)) {
    let line = input + <usize>((z * inHeight + top) * argument(step, ConvStep.inWidth) + x) * pixelStride;
    for (let i = argument(step, ConvStep.kernelHeight); i > 0; i--, line += lineStep) {
      let at = line;
      for (let j = 0; j < taps; j++, at += tapStep, table += 16) {
        store<usize>(table, at);
        store<usize>(table, at + advance, 4);
        store<usize>(table, at + 2 * advance, 8);
        store<usize>(table, at + 3 * advance, 12);
      }
    }
  }
}
