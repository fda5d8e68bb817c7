import { writeOnnx } from "../../src/onnx/index.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { build, type NodeSpec } from "../graph/build.ts";
import { noise } from "../model/models.ts";

/** y = x · w, for rows of four; `seed` makes another model. */
export function smallModel(seed = 1): Uint8Array {
  const w = new Tensor("float32", noise(12, seed), [4, 3]);
  return writeOnnx(build({ x: ["N", 4] }, { w }, [["MatMul", ["x", "w"], ["y"]]], ["y"]));
}

/** 400 products of x with one matrix: some 100 million multiply-accumulates for each row. */
export function slowModel(): Uint8Array {
  const w = new Tensor("float32", noise(512 * 512, 3), [512, 512]);
  const value = (i: number): string => (i === 0 ? "x" : i === 400 ? "y" : `v${i}`);
  const nodes = Array.from({ length: 400 }, (_, i): NodeSpec => ["MatMul", [value(i), "w"], [value(i + 1)]]);
  return writeOnnx(build({ x: ["N", 512] }, { w }, nodes, ["y"]));
}
