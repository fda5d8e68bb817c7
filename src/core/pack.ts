import { PackRightStep } from "./abi/conv.ts";
import { Opcode } from "./abi/opcode.ts";
import type { Core } from "./core.ts";
import { type Argument, type Step, step } from "./steps.ts";

/** `batch` matrices [rows, columns] of f32 one behind the other; [columns, rows] when `transposed`, as the weights of a convolution are, with a group for a matrix. */
export interface FloatMatrices {
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly transposed: boolean;
}

/** The step that makes panels of a float kernel from matrices. */
export function packStep(matrices: FloatMatrices, input: Argument, output: Argument): Step {
  const { batch, rows, columns, transposed } = matrices;
  return step(Opcode.PackF32, PackRightStep, {
    ...{ input, output, scales: 0, columnSums: 0, partials: 0, bits: 0, slots: 0 },
    ...{ batch, rows, columns, transposed: transposed ? 1 : 0 },
  });
}

/** Part `part` of `parts` of what that step does, for callers without a program. */
export function packFloats(core: Core, matrices: FloatMatrices, from: number, to: number, part = 0, parts = 1): void {
  const program = core.write([packStep(matrices, from, to)]);
  core.run(program, 0, 1, part, parts);
  core.release(program);
}
