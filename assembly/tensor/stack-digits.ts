// StackDigits: see src/core/abi/digits.ts. All sums are int16 and may wrap on the way; the result fits.
import { ActivationParameters } from "../../src/core/abi/conv";
import { DigitSlot, StackDigitsStep } from "../../src/core/abi/digits";
import { address, argument, share } from "../step";

/** Threads share the units. */
export function stackDigits(step: usize, thread: i32, threads: i32): void {
  const units = argument(step, StackDigitsStep.units);
  const total = argument(step, StackDigitsStep.samples) * units;
  const bytes = address(step, StackDigitsStep.unitBytes);
  const slots = argument(step, StackDigitsStep.slots);
  const halves = argument(step, StackDigitsStep.halves);
  const end = share(total, thread + 1, threads);
  for (let unit = share(total, thread, threads); unit < end; unit++) {
    const entry = address(step, StackDigitsStep.parameters) + <usize>(unit / units) * ActivationParameters.bytes;
    const zero = load<i32>(entry, ActivationParameters.zero);
    const input = address(step, StackDigitsStep.input) + <usize>unit * bytes;
    let output = address(step, StackDigitsStep.output) + <usize>unit * bytes * slots;
    for (let slot = 0; slot < slots; slot++, output += bytes) {
      const words = StackDigitsStep.length + slot * DigitSlot.length;
      const offset = argument(step, words + DigitSlot.offset) + zero;
      keep(input, output, bytes, <i16>(halves - zero), <i16>argument(step, words + DigitSlot.mask), <i16>offset);
    }
  }
}

function keep(input: usize, output: usize, bytes: usize, shift: i16, mask: i16, offset: i16): void {
  const end = input + bytes;
  if (ASC_FEATURE_SIMD) {
    const shifts = i16x8.splat(shift);
    const masks = i16x8.splat(mask);
    const offsets = i16x8.splat(offset);
    for (; input + 16 <= end; input += 16, output += 16) {
      v128.store(output, i16x8.add(v128.and(i16x8.add(v128.load(input), shifts), masks), offsets));
    }
  }
  for (; input < end; input += 2, output += 2) store<i16>(output, ((load<i16>(input) + shift) & mask) + offset);
}
