import { Opcode } from "../../core/abi/opcode.ts";
import { CumulateStep, TopKStep } from "../../core/abi/reduce.ts";
import { step } from "../../core/index.ts";
import { type ElementType, elementBytes, sizeOf } from "../../tensor/index.ts";
import type { Lower, Lowering } from "../lowering.ts";
import { emitTranspose } from "./movement.ts";
import { reduceType } from "./reduce.ts";
import { around, axisOf, codeOf, converted, emitCast, type Source, temporary } from "./support.ts";

/** CumSum and CumProd; unsigned types wrap as the signed ones do. */
function cumulate(product: boolean): Lower {
  return (l) => {
    const [x, out] = [l.input(0), l.output()];
    const axis = axisOf(l, l.constantNumbers(1)![0]!, x.shape.length);
    if (sizeOf(x.shape) === 0) return;
    const wide = reduceType(x.type);
    const type = wide === "uint64" ? "int64" : wide;
    const direct = elementBytes(type) === elementBytes(x.type);
    const input: Source = direct ? { ...x, type } : converted(l, x, type);
    const result: Source = direct ? { ...out, type } : temporary(l, type, x.shape);
    const lines = around(x.shape, axis);
    l.emit(
      step(Opcode.Cumulate, CumulateStep, {
        input: input.at,
        output: result.at,
        ...lines,
        type: codeOf(l, type),
        exclusive: l.attribute("exclusive", 0),
        reverse: l.attribute("reverse", 0),
        product: product ? 1 : 0,
      }),
      {
        kernel: `${product ? "cumprod" : "cumsum"}_${type}`,
        bytes: 2 * sizeOf(x.shape) * elementBytes(type),
        rows: lines.outer * lines.inner,
      },
    );
    if (!direct) emitCast(l, result, out);
  };
}

/** TopK along any axis, through the last one. The output is sorted whatever `sorted` says. */
function lowerTopK(l: Lowering): void {
  const given = l.input(0);
  const type = reduceType(given.type);
  const x = converted(l, given, type);
  const rank = x.shape.length;
  const axis = axisOf(l, l.attribute("axis", -1), rank);
  const shape = l.graph.values.get(l.node.outputs.find((name) => name !== "")!)!.shape;
  const swap = x.shape.map((_, i) => (i === axis ? rank - 1 : i === rank - 1 ? axis : i));
  const last = axis === rank - 1;
  const moved = (of: readonly number[]): number[] => swap.map((i) => of[i]!);
  const input = last ? x : temporary(l, type, moved(x.shape));
  if (!last) emitTranspose(l, x, input, swap);
  const place = (i: number, of: ElementType): Source =>
    last && l.wants(i) && l.output(i).type === of ? l.output(i) : temporary(l, of, moved(shape));
  const [values, indices] = [place(0, type), place(1, "int64")];
  if (sizeOf(shape) > 0) {
    l.emit(
      step(Opcode.TopK, TopKStep, {
        input: input.at,
        values: values.at,
        indices: indices.at,
        rows: sizeOf(x.shape) / x.shape[axis]!,
        extent: x.shape[axis]!,
        k: shape[axis]!,
        least: 1 - l.attribute("largest", 1),
        type: codeOf(l, type),
      }),
      // at most: every element goes down the heap, whose levels are the bits of k
      {
        kernel: `topk_${type}`,
        bytes: (elementBytes(type) + 8) * sizeOf(x.shape) * (32 - Math.clz32(shape[axis]!)),
        rows: sizeOf(x.shape) / x.shape[axis]!,
      },
    );
  }
  const narrow = type !== given.type;
  if (l.wants(0) && !last) emitTranspose(l, converted(l, values, given.type), l.output(0), swap);
  else if (l.wants(0) && narrow) emitCast(l, values, l.output(0));
  if (!last && l.wants(1)) emitTranspose(l, indices, l.output(1), swap);
}

export const ALONG_AXIS = {
  "/CumSum": cumulate(false),
  "/CumProd": cumulate(true),
  "/TopK": lowerTopK,
} satisfies Readonly<Record<string, Lower>>;
