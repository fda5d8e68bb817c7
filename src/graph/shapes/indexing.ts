import { Tensor } from "../../tensor/index.ts";
import type { Call, ShapeRule } from "./call.ts";
import { typeAttribute } from "./elementwise.ts";

const gather: ShapeRule = (call) => {
  const shape = call.shape(0);
  const axis = call.axis(call.number("axis", 0), shape.length);
  return [{ type: call.type(0), shape: [...shape.slice(0, axis), ...call.shape(1), ...shape.slice(axis + 1)] }];
};

const gatherElements: ShapeRule = (call) => {
  if (call.shape(0).length !== call.shape(1).length) throw call.fail("data and indices expected the same rank");
  return [{ type: call.type(0), shape: call.shape(1) }];
};

const gatherND: ShapeRule = (call) => {
  const [data, indices] = [call.shape(0), call.shape(1)];
  const batch = call.number("batch_dims", 0);
  const depth = indices.at(-1) ?? 0;
  if (indices.length === 0 || batch + depth > data.length) throw call.fail("the indices are too deep");
  return [{ type: call.type(0), shape: [...indices.slice(0, -1), ...data.slice(batch + depth)] }];
};

const same: ShapeRule = (call) => [call.value(0)];

const oneHot: ShapeRule = (call) => {
  const depth = call.needed(1)[0]!;
  const rank = call.shape(0).length + 1;
  const axis = call.axis(call.number("axis", -1), rank);
  const shape = [...call.shape(0).slice(0, axis), depth, ...call.shape(0).slice(axis)];
  return [{ type: call.type(2), shape }];
};

const nonZero: ShapeRule = (call) => {
  const tensor = call.constant(0);
  if (tensor === undefined) throw call.dependsOn(0);
  const count = Array.from(tensor.data as ArrayLike<number | bigint>).filter((v) => Number(v) !== 0).length;
  return [{ type: "int64", shape: [call.shape(0).length, count] }];
};

/** First and last axis of a Shape node (opset 15). */
export function shapeRange(call: Call): [number, number] {
  const rank = call.shape(0).length;
  const clamp = (at: number): number => Math.min(Math.max(at < 0 ? at + rank : at, 0), rank);
  const start = clamp(call.number("start", 0));
  return [start, Math.max(start, clamp(call.number("end", rank)))];
}

const shape: ShapeRule = (call) => {
  const [start, end] = shapeRange(call);
  return [{ type: "int64", shape: [end - start] }];
};

const constantOfShape: ShapeRule = (call) => {
  const dims = call.needed(0);
  if (dims.some((d) => d < 0)) throw call.fail(`cannot make shape [${dims}]`);
  const value = call.node.attributes["value"];
  return [{ type: value instanceof Tensor ? value.type : "float32", shape: dims }];
};

const range: ShapeRule = (call) => {
  const [start, limit, delta] = [call.needed(0)[0]!, call.needed(1)[0]!, call.needed(2)[0]!];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  if (!Number.isFinite(count)) throw call.fail(`cannot count from ${start} to ${limit} by ${delta}`);
  return [{ type: call.type(0), shape: [count] }];
};

export const indexing: Readonly<Record<string, ShapeRule>> = {
  "/Gather": gather,
  "/GatherElements": gatherElements,
  "/GatherND": gatherND,
  "/ScatterElements": same,
  "/ScatterND": same,
  "/OneHot": oneHot,
  "/NonZero": nonZero,
  "/Shape": shape,
  "/Size": () => [{ type: "int64", shape: [] }],
  "/ConstantOfShape": constantOfShape,
  "/Range": range,
  "/EyeLike": (call) => [{ type: typeAttribute(call, "dtype", call.type(0)), shape: call.shape(0) }],
};
