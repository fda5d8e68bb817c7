import { first, type Operator, type Operators } from "./operation.ts";
import { axisOf, flat, generate, Refusal, type Value, value } from "./value.ts";

const choose: Operator = (op) => {
  const condition = op.x();
  if (condition.type !== "bool" || condition.data.length !== 1) throw new Refusal("a condition that is no bool");
  return op.body(op.graph(condition.data[0] === true ? "then_branch" : "else_branch"), []);
};

/** Values of equal shape as one with a new axis 0. */
function stack(parts: readonly Value[], axis = 0): Value {
  const one = parts[0];
  if (one === undefined) throw new Refusal("nothing to stack");
  const dims = [...one.dims.slice(0, axis), parts.length, ...one.dims.slice(axis)];
  return generate(one.type, dims, (i) => {
    const part = parts[i[axis]!]!;
    return part.data[
      flat(
        part.dims,
        i.filter((_, a) => a !== axis),
      )
    ]!;
  });
}

const loop: Operator = (op) => {
  const body = op.graph("body");
  const most = op.has(0) ? Number(first(op.x(0))) : Number.POSITIVE_INFINITY;
  let go = op.has(1) ? first(op.x(1)) === true : true;
  let carried = op.inputs.slice(2).map((_, i) => op.x(i + 2));
  const scans: Value[][] = Array.from({ length: body.outputs.length - 1 - carried.length }, () => []);
  for (let i = 0; go && i < most; i++) {
    if (i > 10_000) throw new Refusal("a loop without end");
    const results = op.body(body, [value("int64", [], [BigInt(i)]), value("bool", [], [go]), ...carried]);
    go = first(results[0]) === true;
    const count = carried.length;
    carried = results.slice(1, 1 + count);
    scans.forEach((list, k) => {
      list.push(results[1 + count + k]!);
    });
  }
  return [...carried, ...scans.map((list) => stack(list))];
};

/** The elements of one position of an axis, without it. */
function take(x: Value, axis: number, at: number): Value {
  const dims = x.dims.filter((_, a) => a !== axis);
  return generate(x.type, dims, (i) => x.data[flat(x.dims, [...i.slice(0, axis), at, ...i.slice(axis)])]!);
}

const scan: Operator = (op) => {
  if (op.opset < 9) throw new Refusal("Scan-8");
  const body = op.graph("body");
  const count = op.number("num_scan_inputs", 0);
  const states = op.inputs.length - count;
  let carried = op.inputs.slice(0, states).map((_, i) => op.x(i));
  const inputs = op.inputs.slice(states).map((_, i) => op.x(states + i));
  const axes = op.list("scan_input_axes") ?? inputs.map(() => 0);
  const backwards = op.list("scan_input_directions") ?? inputs.map(() => 0);
  const scans: Value[][] = Array.from({ length: body.outputs.length - states }, () => []);
  const steps = inputs[0]!.dims[axisOf(axes[0]!, inputs[0]!.dims.length)]!;
  for (let t = 0; t < steps; t++) {
    const slices = inputs.map((x, i) =>
      take(x, axisOf(axes[i]!, x.dims.length), backwards[i] === 1 ? steps - 1 - t : t),
    );
    const results = op.body(body, [...carried, ...slices]);
    carried = results.slice(0, states);
    scans.forEach((list, k) => {
      list.push(results[states + k]!);
    });
  }
  const outAxes = op.list("scan_output_axes") ?? scans.map(() => 0);
  const outBackwards = op.list("scan_output_directions") ?? scans.map(() => 0);
  return [
    ...carried,
    ...scans.map((list, k) => {
      const parts = outBackwards[k] === 1 ? [...list].reverse() : list;
      return stack(parts, axisOf(outAxes[k]!, (parts[0]?.dims.length ?? 0) + 1));
    }),
  ];
};

export const control: Operators = { If: choose, Loop: loop, Scan: scan };
