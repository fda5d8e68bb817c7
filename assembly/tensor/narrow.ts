// Narrow: see src/core/abi/narrow.ts.
import { NarrowStep } from "../../src/core/abi/narrow";
import { address, argument, share } from "../step";

/** Threads share the units. */
export function narrow(step: usize, thread: i32, threads: i32): void {
  const units = argument(step, NarrowStep.units);
  const inBytes = address(step, NarrowStep.inBytes);
  const outBytes = address(step, NarrowStep.outBytes);
  const first = <usize>share(units, thread, threads);
  const count = <usize>share(units, thread + 1, threads) - first;
  const input = address(step, NarrowStep.input) + first * inBytes;
  const output = address(step, NarrowStep.output) + first * outBytes;
  if (inBytes == 2 * outBytes) {
    narrowRun(input, output, count * outBytes);
    return;
  }
  const values = inBytes >> 1;
  for (let i: usize = 0; i < count; i++) {
    narrowRun(input + i * inBytes, output + i * outBytes, values);
    memory.fill(output + i * outBytes + values, 0, outBytes - values);
  }
}

function narrowRun(input: usize, output: usize, values: usize): void {
  const end = output + values;
  if (ASC_FEATURE_SIMD) {
    for (; output + 16 <= end; input += 32, output += 16) v128.store(output, i8x16.narrow_i16x8_s(v128.load(input), v128.load(input, 16)));
  }
  for (; output < end; input += 2, output++) store<i8>(output, <i8>load<i16>(input));
}
