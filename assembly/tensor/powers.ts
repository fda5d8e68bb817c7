// Rows of Pow, Mod and Fmod of float32: functions that take longer than to be told which.
import { BinaryFunction } from "../../src/core/abi/elementwise";
import { arePositive__simd, pow__simd } from "../math/pow";
import { combine } from "./combine";

export function powers(operation: i32, a: usize, b: usize, output: usize, n: i32, sa: i32, sb: i32): void {
  while (n > 0) {
    let done = 1;
    if (ASC_FEATURE_SIMD && operation == BinaryFunction.Pow && n >= 4) {
      const x = sa != 0 ? v128.load(a) : v128.load32_splat(a);
      const y = sb != 0 ? v128.load(b) : v128.load32_splat(b);
      if (arePositive__simd(x, y)) {
        v128.store(output, pow__simd(x, y));
        done = 4;
      }
    }
    if (done == 1) store<f32>(output, combine<f32>(operation, load<f32>(a), load<f32>(b)));
    a += done * sa;
    b += done * sb;
    output += done << 2;
    n -= done;
  }
}
