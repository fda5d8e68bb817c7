import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import type { Graph } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { randomTensor, uniformNumbers } from "../../src/tensor/index.ts";
import { build, f32, i64 } from "../graph/build.ts";
import { BOOL, bool, INT, int, numbers, refused, run, vector } from "../support/control-flow.ts";

describe("If on data", () => {
  const branch = (op: string, other: string): Graph => build({}, {}, [[op, ["x", other], ["r"]]], ["r"]);

  it("takes the branch that the data choose; branches may give other shapes, and call their values alike", async () => {
    const graph = build(
      { x: ["n"] },
      { two: f32([1], [2]), column: f32([2, 1], [1, -1]), limit: f32([], [3]) },
      [
        ["ReduceSum", ["x"], ["s"], { keepdims: 0 }],
        ["Greater", ["s", "limit"], ["c"]],
        ["If", ["c"], ["y"], { then_branch: branch("Mul", "two"), else_branch: branch("Mul", "column") }],
        ["Neg", ["y"], ["z"]],
      ],
      ["z", "y"],
    );
    const large = await run(graph, { x: vector(...new Array(20).fill(1)) });
    expect(large["z"]!.dims).toEqual([20]);
    expect(numbers(large["z"])).toEqual(new Array(20).fill(-2));
    const small = await run(graph, { x: vector(...new Array(20).fill(0.125)) });
    expect(small["y"]!.dims).toEqual([2, 20]);
    expect(numbers(small["y"])).toEqual([...new Array(20).fill(0.125), ...new Array(20).fill(-0.125)]);
  });

  it("may give a captured value, a constant of its own, or an output of the graph", async () => {
    const give = (name: string, own: Record<string, Tensor> = {}): Graph => build({}, own, [], [name]);
    const graph = build(
      { x: ["n"], c: { type: "bool", shape: ["m"] } },
      {},
      [
        ["Cast", ["c"], ["n"], { to: 7 }],
        ["ReduceMax", ["n"], ["m"], { keepdims: 0 }],
        ["Cast", ["m"], ["some"], { to: 9 }],
        ["If", ["some"], ["y"], { then_branch: give("x"), else_branch: give("k", { k: f32([2], [5, 6]) }) }],
      ],
      ["y", "x"],
    );
    const flags = (on: number): Tensor =>
      new Tensor(
        "bool",
        Uint8Array.from({ length: 40 }, (_, i) => (i === on ? 1 : 0)),
      );
    expect(numbers((await run(graph, { x: vector(1, 2, 3), c: flags(7) }))["y"])).toEqual([1, 2, 3]);
    expect(numbers((await run(graph, { x: vector(1, 2, 3), c: flags(-1) }))["y"])).toEqual([5, 6]);
  });

  it("has its weights quantized, its convolutions run channels-last, and survives the container", async () => {
    const random = uniformNumbers(3);
    const w = randomTensor("float32", [8, 4, 3, 3], random);
    const v = randomTensor("float32", [8, 4, 3, 3], random);
    const convolved = (name: string, own: Record<string, Tensor>): Graph =>
      build({}, own, [["Conv", ["x", name], ["r"], { pads: [1, 1, 1, 1] }]], ["r"]);
    const graph = build(
      { x: [1, 4, 6, 6], sr: { type: "int64", shape: [] } },
      { w, k: int(16000) },
      [
        ["Equal", ["sr", "k"], ["c"]],
        ["If", ["c"], ["y"], { then_branch: convolved("w", {}), else_branch: convolved("v", { v }) }],
      ],
      ["y"],
    );
    const bytes = writeOnnx(graph);
    const x = randomTensor("float32", [1, 4, 6, 6], random);
    const plain = (weights: Tensor): Graph =>
      build({ x: [1, 4, 6, 6] }, { w: weights }, [["Conv", ["x", "w"], ["y"], { pads: [1, 1, 1, 1] }]], ["y"]);
    for (const preset of ["float32", "faithful", "fast", "compact"] as const) {
      const { bytes: container, report } = await quantize(bytes, { preset, check: false });
      expect(report.layers).toHaveLength(2);
      const sessions = [await InferenceSession.create(bytes, { preset }), await InferenceSession.create(container)];
      for (const [rate, weights] of [
        [16000, w],
        [8000, v],
      ] as const) {
        const { layers } = report;
        const plan = {
          version: 1 as const,
          default: { bits: 4, weightTerms: 0, activationTerms: 0 },
          layers: { Conv_0: layers[rate === 16000 ? 0 : 1]!.plan },
        };
        const alone = await InferenceSession.create(writeOnnx(plain(weights)), { plan });
        const expected = (await alone.run({ x }))["y"]!;
        for (const session of sessions) expect((await session.run({ x, sr: int(rate) }))["y"]).toEqual(expected);
      }
    }
  });

  it("says what is wrong with its condition and its branches", async () => {
    const branches = (outputs: string[]): Record<string, Graph> => ({
      then_branch: build({}, {}, [["Neg", ["x"], ["r"]]], outputs),
      else_branch: build({}, {}, [["Neg", ["x"], ["r"]]], outputs),
    });
    const graph = (condition: string, outputs: string[], made = ["y"]): Graph =>
      build(
        { x: [40] },
        {},
        [
          ["IsNaN", ["x"], ["c"]],
          ["If", [condition], made, branches(outputs)],
        ],
        ["y"],
      );
    const x = f32([40]);
    expect(await refused(graph("c", ["r"]), { x })).toMatchObject({
      code: "MODEL",
      message: 'node "If_1" (If, opset 17): the condition expected bool [], got bool [40]',
    });
    expect(await refused(graph("x", ["r"]), { x })).toMatchObject({ code: "MODEL" });
  });
});

describe("Loop", () => {
  /** sum_{i<M} i, and what it is before each step. */
  const sums = (): Graph =>
    build(
      { i: INT, go: BOOL, before: INT },
      {},
      [
        ["Add", ["before", "i"], ["after"]],
        ["Identity", ["go"], ["on"]],
      ],
      ["on", "after", "before"],
    );
  const loop = (body: Graph, inputs: string[], outputs: string[], feeds: Parameters<typeof build>[0] = {}): Graph =>
    build(feeds, { zero: int(0), yes: bool(true) }, [["Loop", inputs, outputs, { body }]], outputs);

  it("runs a number of times that is data, and collects what its steps give", async () => {
    const graph = loop(sums(), ["m", "", "zero"], ["sum", "all"], { m: INT });
    for (const count of [1, 5, 300]) {
      const { sum, all } = await run(graph, { m: int(count) });
      expect(numbers(sum)).toEqual([(count * (count - 1)) / 2]);
      expect(all!.dims).toEqual([count]);
      expect(numbers(all)).toEqual(Array.from({ length: count }, (_, i) => Math.abs(i * (i - 1)) / 2));
    }
  });

  it("gives what it was given when it does not run at all", async () => {
    const graph = loop(sums(), ["m", "", "zero"], ["sum", "all"], { m: INT });
    const { sum, all } = await run(graph, { m: int(0) });
    expect(numbers(sum)).toEqual([0]);
    expect(all).toMatchObject({ dims: [0] });
    expect(numbers((await run(graph, { m: int(-3) }))["sum"])).toEqual([0]);
    const never = loop(sums(), ["m", "c", "zero"], ["sum", "all"], { m: INT, c: BOOL });
    expect(numbers((await run(never, { m: int(9), c: bool(false) }))["sum"])).toEqual([0]);
  });

  it("stops when its condition says so", async () => {
    const body = build(
      { i: INT, go: BOOL, x: ["n"] },
      { limit: f32([], [100]) },
      [
        ["Add", ["x", "x"], ["y"]],
        ["ReduceMax", ["y"], ["most"], { keepdims: 0 }],
        ["Less", ["most", "limit"], ["on"]],
      ],
      ["on", "y"],
    );
    const graph = loop(body, ["", "yes", "x"], ["y"], { x: ["n"] });
    expect(numbers((await run(graph, { x: vector(1, 3) }))["y"])).toEqual([64, 192]);
  });

  it("carries values whose shapes change from step to step", async () => {
    const body = build(
      { i: INT, go: BOOL, list: ["n"] },
      { axes: i64(0) },
      [
        ["Cast", ["i"], ["f"], { to: 1 }],
        ["Mul", ["f", "scale"], ["v"]],
        ["Unsqueeze", ["v", "axes"], ["one"]],
        ["Concat", ["list", "one"], ["longer"], { axis: 0 }],
        ["Identity", ["go"], ["on"]],
      ],
      ["on", "longer"],
    );
    const graph = build(
      { m: INT, scale: [] },
      { none: f32([0]), yes: bool(true) },
      [["Loop", ["m", "yes", "none"], ["list"], { body }]],
      ["list"],
    );
    expect(numbers((await run(graph, { m: int(6), scale: f32([], [0.5]) }))["list"])).toEqual([0, 0.5, 1, 1.5, 2, 2.5]);
  });

  it("swaps what it carries, and nests", async () => {
    const inner = build(
      { j: INT, innerGo: BOOL, a: ["n"], b: ["n"] },
      {},
      [
        ["Add", ["a", "b"], ["c"]],
        ["Identity", ["innerGo"], ["innerOn"]],
      ],
      ["innerOn", "b", "c", "c"],
    );
    const outer = build(
      { i: INT, go: BOOL, p: ["n"], q: ["n"] },
      {},
      [
        ["Loop", ["m", "", "p", "q"], ["p2", "q2", "made"], { body: inner }],
        ["Identity", ["go"], ["on"]],
      ],
      ["on", "p2", "q2", "made"],
    );
    const graph = build(
      { m: INT, x: ["n"], y: ["n"] },
      {},
      [["Loop", ["m", "", "x", "y"], ["u", "v", "all"], { body: outer }]],
      ["u", "v", "all"],
    );
    // Fibonacci numbers, nine steps in three times three.
    const { u, v, all } = await run(graph, { m: int(3), x: vector(0), y: vector(1) });
    expect([numbers(u), numbers(v)]).toEqual([[34], [55]]);
    expect(all!.dims).toEqual([3, 3, 1]);
    expect(numbers(all)).toEqual([1, 2, 3, 5, 8, 13, 21, 34, 55]);
  });

  it("holds no memory after many steps", async () => {
    const body = build(
      { i: INT, go: BOOL, x: [1000] },
      { k: f32([1], [1]) },
      [
        ["Add", ["x", "k"], ["y"]],
        ["Identity", ["go"], ["on"]],
      ],
      ["on", "y"],
    );
    const graph = loop(body, ["m", "", "x"], ["y"], { m: INT, x: [1000] });
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const x = f32([1000], new Array(1000).fill(0));
    await session.run({ m: int(3), x });
    const before = session.memoryBytes;
    const { y } = await session.run({ m: int(2000), x });
    expect(numbers(y)[999]).toBe(2000);
    // 2,000 vectors would be 8 MB.
    expect(session.memoryBytes - before).toBeLessThan(200_000);
    await session.release();
  });

  it("without an end is stopped by the signal", async () => {
    const body = build({ i: INT, go: BOOL, x: ["n"] }, {}, [["Identity", ["go"], ["on"]]], ["on", "x"]);
    const graph = loop(body, ["", "", "x"], ["y"], { x: ["n"] });
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const controller = new AbortController();
    const running = session.run({ x: vector(1) }, { signal: controller.signal });
    setTimeout(() => controller.abort(new Error("enough")), 20);
    await expect(running).rejects.toThrow("enough");
    await session.release();
  });

  it("refuses bodies that do not fit", async () => {
    const few = build({ i: INT, go: BOOL }, {}, [["Identity", ["go"], ["on"]]], ["on"]);
    expect(await refused(loop(few, ["m", "", "zero"], ["y"], { m: INT }), { m: int(1) })).toMatchObject({
      code: "MODEL",
      message: 'node "Loop_0" (Loop, opset 17): "body" expected 3 inputs, got 2',
    });
    const silent = build({ i: INT, go: BOOL, x: INT }, {}, [["Identity", ["go"], ["on"]]], ["on"]);
    expect(await refused(loop(silent, ["m", "", "zero"], ["y"], { m: INT }), { m: int(1) })).toMatchObject({
      code: "MODEL",
      message: 'node "Loop_0" (Loop, opset 17): "body" expected 2 outputs or more, got 1',
    });
    const wrong = build({ i: INT, go: BOOL }, {}, [["Identity", ["i"], ["on"]]], ["on", "i"]);
    expect(await refused(loop(wrong, ["m", ""], ["y"], { m: INT }), { m: int(1) })).toMatchObject({
      code: "MODEL",
      message: 'node "Loop_0" (Loop, opset 17): the condition expected bool [], got int64 []',
    });
    const grown = build(
      { i: INT, go: BOOL, x: ["n"] },
      {},
      [
        ["Concat", ["x", "x"], ["y"], { axis: 0 }],
        ["Identity", ["go"], ["on"]],
      ],
      ["on", "y", "x"],
    );
    const error = await refused(loop(grown, ["m", "", "x"], ["y", "all"], { m: INT, x: ["n"] }), {
      m: int(3),
      x: vector(1),
    });
    expect(error.message).toContain("expected float32 [1] as the first one, got float32 [2]");
  });
});

describe("Scan", () => {
  const sum = (): Graph =>
    build(
      { state: ["n"], x: ["n"] },
      {},
      [
        ["Add", ["state", "x"], ["next"]],
        ["Identity", ["next"], ["made"]],
      ],
      ["next", "made"],
    );

  it("goes along an axis of its inputs in either direction, and puts its outputs along any axis", async () => {
    const graph = (attributes: Record<string, number[]>): Graph =>
      build(
        { x: [2, 3], s: [2] },
        {},
        [["Scan", ["s", "x"], ["y", "all"], { body: sum(), num_scan_inputs: 1, ...attributes }]],
        ["y", "all"],
      );
    const feeds = { x: f32([2, 3], [1, 2, 3, 10, 20, 30]), s: f32([2], [0, 0]) };
    const columns = await run(graph({ scan_input_axes: [1], scan_output_axes: [-1] }), feeds);
    expect(numbers(columns["y"])).toEqual([6, 60]);
    expect(columns["all"]!.dims).toEqual([2, 3]);
    expect(numbers(columns["all"])).toEqual([1, 3, 6, 10, 30, 60]);
    const back = await run(
      graph({ scan_input_axes: [-1], scan_input_directions: [1], scan_output_directions: [1] }),
      feeds,
    );
    expect(back["all"]!.dims).toEqual([3, 2]);
    expect(numbers(back["all"])).toEqual([6, 60, 5, 50, 3, 30]);
  });

  it("of opset 8 works on batches, each as long as it is", async () => {
    const graph = build(
      { n: { type: "int64", shape: [2] }, s: [2, 1], x: [2, 3, 1] },
      {},
      [["Scan", ["n", "s", "x"], ["y", "all"], { body: sum(), num_scan_inputs: 1 }]],
      ["y", "all"],
      8,
    );
    const feeds = { n: i64(3, 2), s: f32([2, 1], [0, 100]), x: f32([2, 3, 1], [1, 2, 3, 4, 5, 6]) };
    const { y, all } = await run(graph, feeds);
    expect(numbers(y)).toEqual([6, 109]);
    expect(all!.dims).toEqual([2, 3, 1]);
    expect(numbers(all)).toEqual([1, 3, 6, 104, 109, 0]);
    expect(await refused(graph, { ...feeds, n: i64(3, 4) })).toMatchObject({ code: "MODEL" });
  });

  it("of nothing gives nothing", async () => {
    const graph = build(
      { x: ["t", 2], s: [2] },
      {},
      [["Scan", ["s", "x"], ["y", "all"], { body: sum(), num_scan_inputs: 1 }]],
      ["y", "all"],
    );
    const { y, all } = await run(graph, { x: f32([0, 2]), s: f32([2], [7, 8]) });
    expect(numbers(y)).toEqual([7, 8]);
    expect(all!.dims[0]).toBe(0);
  });
});
