// The product of the state by the recurrent weights, for the rows of one thread: the linear steps of assembly/gemm, cut down to these rows.
import { ActivationParameters, ConvStep, QuantizeStep } from "../../src/core/abi/conv";
import { RecurrentStep } from "../../src/core/abi/recurrent";
import { conv } from "../gemm/conv";
import { address, argument } from "../step";
import { quantize } from "../tensor/quantize";

/** Words of one product. */
@inline
function wordsOf(step: usize): i32 {
  return <i32>ConvStep.length + (argument(step, RecurrentStep.quantized) ? <i32>QuantizeStep.length : 0);
}

/** Copies the inner steps for `count` rows from `first` on into the thread's own memory, and returns where they are. */
export function copyProducts(step: usize, first: i32, count: i32, slot: i32): usize {
  const words = wordsOf(step);
  const products = argument(step, RecurrentStep.products);
  const copies = address(step, RecurrentStep.copies) + <usize>slot * address(step, RecurrentStep.copyBytes);
  memory.copy(copies, step + (<usize>RecurrentStep.length << 2), <usize>(words * products) << 2);
  const quantized = argument(step, RecurrentStep.quantized) != 0;
  for (let i = 0; i < products; i++) {
    let at = copies + (<usize>(i * words) << 2);
    if (quantized) {
      const width = <usize>(argument(at, QuantizeStep.channels) * argument(at, QuantizeStep.groups)) << 2;
      advance(at, QuantizeStep.input, <usize>first * width);
      advance(at, QuantizeStep.output, <usize>first * address(at, QuantizeStep.pixelStride));
      advance(at, QuantizeStep.parameters, <usize>first * ActivationParameters.bytes);
      set(at, QuantizeStep.samples, count);
      set(at, QuantizeStep.slots, 1);
      at += <usize>QuantizeStep.length << 2;
      advance(at, ConvStep.parameters, <usize>first * ActivationParameters.bytes);
    }
    advance(at, ConvStep.input, <usize>first * address(at, ConvStep.pixelStride));
    advance(at, ConvStep.output, <usize>first * address(at, ConvStep.outPixelStride));
    advance(at, ConvStep.scratch, <usize>slot * address(at, ConvStep.scratchBytes));
    set(at, ConvStep.slots, 1);
    set(at, ConvStep.inWidth, count);
    set(at, ConvStep.outWidth, count);
  }
  return copies;
}

export function product(step: usize, copies: usize, index: i32): void {
  const at = copies + (<usize>(index * wordsOf(step)) << 2);
  if (argument(step, RecurrentStep.quantized)) {
    quantize(at, 0, 1);
    conv(at + (<usize>QuantizeStep.length << 2), 0, 1);
  } else {
    conv(at, 0, 1);
  }
}

@inline
function set(step: usize, word: i32, value: i32): void {
  store<i32>(step + (<usize>word << 2), value);
}

@inline
function advance(step: usize, word: i32, bytes: usize): void {
  store<usize>(step + (<usize>word << 2), address(step, word) + bytes);
}
