// Pairs of channels turned by the angles of their places; see RotateStep. One step in the place of nine: a decoder of 5 layers has ten of them.
import { RotateStep } from "../../src/core/abi/rotary";
import { add, mul, sub } from "../math/lane";
import { lanes, loadUpTo, move, storeUpTo } from "./lanes";
import { address, argument, share } from "../step";

export function rotate(step: usize, thread: i32, threads: i32): void {
  const places = argument(step, RotateStep.places);
  const rows = argument(step, RotateStep.heads) * places;
  const bytes = <usize>argument(step, RotateStep.size) << 2;
  const half = argument(step, RotateStep.half);
  const turned = <usize>half << 3;
  const total = argument(step, RotateStep.batch) * rows;
  const end = share(total, thread + 1, threads);
  for (let row = share(total, thread, threads); row < end; row++) {
    const angle = <usize>((row / rows) * argument(step, RotateStep.angleStride) + (row % places) * half) << 2;
    const cosines = address(step, RotateStep.cosines) + angle;
    const sines = address(step, RotateStep.sines) + angle;
    const input = address(step, RotateStep.input) + <usize>row * bytes;
    const output = address(step, RotateStep.output) + <usize>row * bytes;
    if (argument(step, RotateStep.interleaved) != 0) neighbours(input, output, cosines, sines, half);
    else if (ASC_FEATURE_SIMD) halves<v128>(input, output, cosines, sines, half);
    else halves<f32>(input, output, cosines, sines, half);
    move(output + turned, input + turned, bytes - turned);
  }
}

@inline function halves<T>(input: usize, output: usize, cosines: usize, sines: usize, half: i32): void {
  const apart = <usize>half << 2;
  for (let n = half; n > 0; n -= lanes<T>()) {
    const a = loadUpTo<T>(input, n);
    const b = loadUpTo<T>(input + apart, n);
    const c = loadUpTo<T>(cosines, n);
    const s = loadUpTo<T>(sines, n);
    storeUpTo<T>(output, sub<T>(mul<T>(c, a), mul<T>(s, b)), n);
    storeUpTo<T>(output + apart, add<T>(mul<T>(s, a), mul<T>(c, b)), n);
    input += sizeof<T>();
    output += sizeof<T>();
    cosines += sizeof<T>();
    sines += sizeof<T>();
  }
}

function neighbours(input: usize, output: usize, cosines: usize, sines: usize, half: i32): void {
  for (let i = 0; i < half; i++) {
    const at = <usize>i << 2;
    const a = load<f32>(input + 2 * at);
    const b = load<f32>(input + 2 * at, 4);
    const c = load<f32>(cosines + at);
    const s = load<f32>(sines + at);
    store<f32>(output + 2 * at, c * a - s * b);
    store<f32>(output + 2 * at, s * a + c * b, 4);
  }
}
