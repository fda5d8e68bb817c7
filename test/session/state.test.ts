import { describe, expect, it } from "vitest";
import { InferenceSession, type SessionState, Tensor } from "../../src/entries/index.ts";
import type { Graph, Node } from "../../src/graph/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import type { Part } from "../../src/program/routine.ts";
import type { Engine } from "../../src/session/engine.ts";
import { build, f32 } from "../graph/build.ts";
import { checkSessions } from "../support/checked/core.ts";
import { cachePairs, type DecoderOptions, decoder } from "../support/decoder.ts";

const SIZES = { layers: 2, width: 16, heads: 2, hidden: 24, vocabulary: 11, tokens: 64 } as const;
const FORMS = ["plain", "grouped"] as const;
const PAIRS = cachePairs(SIZES);

async function sessionOf(
  form: DecoderOptions["form"],
  preset: "float32" | "faithful" = "faithful",
): Promise<InferenceSession> {
  return InferenceSession.create(writeOnnx(decoder({ form, ...SIZES })), { preset });
}

function ids(...tokens: number[]): Tensor {
  return new Tensor("int64", tokens.map(BigInt), [1, tokens.length]);
}

function bits(tensor: Tensor | undefined): number[] {
  const { buffer, byteOffset, byteLength } = tensor!.data as Float32Array;
  return [...new Uint32Array(buffer, byteOffset, byteLength / 4)];
}

/** A decoder that is fed its past by hand: all outputs of every step. */
class ByHand {
  past: Record<string, Tensor> = Object.fromEntries(
    Object.values(PAIRS).map((name) => [
      name,
      new Tensor("float32", [], [1, SIZES.heads, 0, SIZES.width / SIZES.heads]),
    ]),
  );

  constructor(private readonly session: InferenceSession) {}

  async step(...tokens: number[]): Promise<Record<string, Tensor>> {
    const made = await this.session.run({ input_ids: ids(...tokens), ...this.past });
    this.past = Object.fromEntries(Object.entries(PAIRS).map(([output, input]) => [input, made[output]!]));
    return made;
  }
}

/** The parts of all programs. */
function partsOf(session: InferenceSession): Part[] {
  const { schedule } = Reflect.get(Reflect.get(session, "live"), "engine") as { schedule: Engine };
  return [...(Reflect.get(schedule, "parts") as Set<Part>)];
}

/** The decoder of plain operators with a mask of all tokens, those of the past and the new ones, as exporters write it. */
function masked(): Graph {
  const graph = decoder({ form: "plain", ...SIZES, tokens: 512 });
  const float = (value: number): Tensor => new Tensor("float32", [value], []);
  const node = (op: string, inputs: string[], output: string, attributes = {}): Node => {
    return { name: output, op, domain: "", inputs, outputs: [output], attributes };
  };
  const nodes = graph.nodes.flatMap((one) => {
    if (one.op !== "Where") return [one];
    const [bias = ""] = one.outputs;
    return [
      { ...one, outputs: ["own"] },
      node("Cast", ["attention_mask"], "mask", { to: 1 }),
      node("Sub", ["mask", "one"], "hidden"),
      node("Mul", ["hidden", "large"], "penalty"),
      node("Add", ["own", "penalty"], bias),
    ];
  });
  return {
    ...graph,
    nodes,
    inputs: [...graph.inputs, { name: "attention_mask", type: "int64", shape: ["batch", "past + sequence"] }],
    initializers: new Map([...graph.initializers, ["one", float(1)], ["large", float(1e9)]]),
  };
}

const token = (i: number): number => (i * 5 + 3) % SIZES.vocabulary;

describe.each(FORMS)("state of a decoder, %s", (form) => {
  it("gives the bits of a past that is fed by hand, on the checked core, and grows beyond its capacity", async () => {
    const restore = checkSessions();
    try {
      const [one, other] = [await sessionOf(form), new ByHand(await sessionOf(form))];
      const state = one.createState(PAIRS, { capacity: 4 });
      for (const [i, tokens] of [[1, 2, 3], ...Array.from({ length: 24 }, (_, j) => [token(j)])].entries()) {
        const made = await one.run({ input_ids: ids(...tokens) }, { state });
        const expected = await other.step(...tokens);
        expect(Object.keys(made)).toEqual(["logits"]);
        expect(bits(made["logits"]), `step ${i}`).toEqual(bits(expected["logits"]));
        expect(state.length).toBe(3 + i);
      }
      for (const [output, input] of Object.entries(PAIRS)) {
        expect(state.read(output)).toEqual(other.past[input]);
        expect(state.read(input)).toEqual(other.past[input]);
      }
      // Most steps lie in one range of sizes.
      expect(partsOf(one).length).toBeLessThan(9);
    } finally {
      restore();
    }
  });

  it("makes one program for all tokens, the first included", async () => {
    // Tables of as many rows as the first range has sizes.
    const graph = decoder({ form, ...SIZES, tokens: 512 });
    const restore = checkSessions();
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "faithful" });
    const state = session.createState(PAIRS, { capacity: 64 });
    const other = new ByHand(await InferenceSession.create(writeOnnx(graph), { preset: "faithful" }));
    for (let i = 0; i < 6; i++) {
      const made = await session.run({ input_ids: ids(token(i)) }, { state });
      expect(bits(made["logits"]), `token ${i}`).toEqual(bits((await other.step(token(i)))["logits"]));
    }
    state.truncate(0);
    await session.run({ input_ids: ids(1) }, { state });
    expect(partsOf(session).length).toBe(1);
    await session.release();
    restore();
  });

  it("has its program before the first token comes, and another state of the same room has it too", async () => {
    const session = await InferenceSession.create(writeOnnx(decoder({ form, ...SIZES, tokens: 512 })));
    const state = session.createState(PAIRS, { capacity: 64 });
    await state.ready;
    const before = partsOf(session);
    expect(before).toHaveLength(1);
    expect(before[0]!.address).not.toBe(0);
    await session.run({ input_ids: ids(3) }, { state });
    await session.createState(PAIRS, { capacity: 64 }).ready;
    await session.run({ input_ids: ids(4) }, { state });
    const after = partsOf(session);
    expect(after).toHaveLength(1);
    expect(after[0]).toBe(before[0]);
    await session.release();
  });

  it("may be of a larger batch than was expected", async () => {
    const session = await InferenceSession.create(writeOnnx(decoder({ form, ...SIZES, tokens: 512 })));
    const both = session.createState(PAIRS);
    const single = [session.createState(PAIRS), session.createState(PAIRS)] as const;
    await both.ready;
    for (let i = 0; i < 4; i++) {
      const pair = [token(i), token(i + 7)] as const;
      const { logits } = await session.run(
        { input_ids: new Tensor("int64", pair.map(BigInt), [2, 1]) },
        { state: both },
      );
      const own: number[] = [];
      for (const [j, state] of single.entries())
        own.push(...bits((await session.run({ input_ids: ids(pair[j]!) }, { state }))["logits"]));
      expect(bits(logits), `token ${i}`).toEqual(own);
    }
    await session.release();
  });

  it("goes back to where it was, and two of them do not see each other", async () => {
    const session = await sessionOf(form, "float32");
    const [a, b] = [session.createState(PAIRS), session.createState(PAIRS)];
    const run = async (state: SessionState, ...tokens: number[]): Promise<number[]> =>
      bits((await session.run({ input_ids: ids(...tokens) }, ["logits"], { state }))["logits"]);
    await run(a, 1, 2, 3);
    await run(b, 4, 5);
    const first = await run(a, 6);
    await run(b, 6);
    await run(a, 7);
    a.truncate(3);
    expect(a.length).toBe(3);
    expect(await run(a, 6)).toEqual(first);
    a.truncate(0);
    b.truncate(0);
    expect(await run(a, 4, 5)).toEqual(await run(b, 4, 5));
    await session.release();
  });

  it("runs asked for at once follow each other", async () => {
    const session = await sessionOf(form, "float32");
    const [a, b] = [session.createState(PAIRS), session.createState(PAIRS)];
    const both = await Promise.all([1, 2, 3].map((id) => session.run({ input_ids: ids(id) }, { state: a })));
    for (const [i, id] of [1, 2, 3].entries()) {
      const made = await session.run({ input_ids: ids(id) }, { state: b });
      expect(bits(made["logits"])).toEqual(bits(both[i]!["logits"]));
    }
    await session.release();
  });
});

describe("a state", () => {
  it("has the program of a decoder with a mask, from the second token on", async () => {
    const session = await InferenceSession.create(writeOnnx(masked()));
    const state = session.createState(PAIRS, { capacity: 64 });
    await state.ready;
    const [made, ...none] = partsOf(session);
    expect(made).toBeDefined();
    expect(none).toEqual([]);
    const plain = await InferenceSession.create(writeOnnx(decoder({ form: "plain", ...SIZES, tokens: 512 })));
    const other = new ByHand(plain);
    for (let i = 0; i < 5; i++) {
      const attention_mask = new Tensor("int64", new Array<bigint>(i + 1).fill(1n), [1, i + 1]);
      const { logits } = await session.run({ input_ids: ids(token(i)), attention_mask }, { state });
      expect(bits(logits), `token ${i}`).toEqual(bits((await other.step(token(i)))["logits"]));
    }
    // No rows are a case of their own: the mask has an extent of 1.
    expect(partsOf(session)).toHaveLength(2);
    expect(partsOf(session)).toContain(made);
    await session.release();
    await plain.release();
  });

  it("is ready where nothing can be made beforehand, and where it has been released", async () => {
    const graph = build(
      { past: ["b", "p", 3], x: [1, "n", 3] },
      {},
      [["Concat", ["past", "x"], ["present"], { axis: 1 }]],
      ["present"],
    );
    const outputs = [{ name: "present", type: "float32", shape: ["b", "q", 3] }] as const;
    const session = await InferenceSession.create(writeOnnx({ ...graph, outputs }), { preset: "float32" });
    const { core } = Reflect.get(Reflect.get(session, "live"), "engine") as Engine;
    const used = core.bytesInUse;
    const state = session.createState({ present: "past" });
    state.release();
    await state.ready;
    expect(core.bytesInUse).toBe(used);
    const other = session.createState({ present: "past" });
    await other.ready;
    await expect(session.run({ x: f32([1, 1, 3], [1, 2, 3]) }, { state: other })).rejects.toThrow("told by no feed");
    await session.release();
    await expect(other.ready).resolves.toBeUndefined();
  });

  it("has a program of its own for no rows where they are read as they are", async () => {
    const restore = checkSessions();
    const graph = build(
      { x: [1, 2, 1, 3], past: [1, 2, "p", 3] },
      { two: f32([], [2]) },
      [
        ["Concat", ["past", "x"], ["present"], { axis: 2 }],
        ["Mul", ["past", "two"], ["twice"]],
        ["Exp", ["twice"], ["y"]],
      ],
      ["y", "present"],
    );
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const state = session.createState({ present: "past" });
    for (let rows = 0; rows < 4; rows++) {
      const { y } = await session.run({ x: f32([1, 2, 1, 3], [0, 0, 0, 0, 0, 0]) }, ["y"], { state });
      expect(y!.dims).toEqual([1, 2, rows, 3]);
      expect([...(y!.data as Float32Array)]).toEqual(new Array<number>(6 * rows).fill(1));
    }
    expect(partsOf(session).length).toBeGreaterThan(1);
    await session.release();
    restore();
  });

  it("stays as it was when a run fails", async () => {
    const session = await sessionOf("plain");
    const state = session.createState(PAIRS);
    await session.run({ input_ids: ids(1, 2) }, { state });
    const before = state.read("present.0.key");
    await expect(session.run({ input_ids: ids(99) }, { state })).rejects.toThrow(RangeError);
    await expect(session.run({ input_ids: ids(3) }, { state, signal: AbortSignal.abort() })).rejects.toThrow("abort");
    expect(state.length).toBe(2);
    expect(state.read("present.0.key")).toEqual(before);
    await session.release();
  });

  it("gives an output that is named, and takes it too", async () => {
    const session = await sessionOf("plain");
    const state = session.createState(PAIRS);
    const made = await session.run({ input_ids: ids(1) }, ["present.1.value"], { state });
    expect(made).toEqual({ "present.1.value": state.read("present.1.value") });
    await session.release();
  });

  it("gives its memory back", async () => {
    const session = await sessionOf("plain");
    const { core } = Reflect.get(Reflect.get(session, "live"), "engine") as Engine;
    await session.run({ input_ids: ids(1) }, { state: session.createState(PAIRS) });
    const used = core.bytesInUse;
    for (let i = 0; i < 3; i++) {
      const state = session.createState(PAIRS);
      await session.run({ input_ids: ids(1) }, { state });
      state.release();
    }
    expect(core.bytesInUse).toBe(used);
    await session.release();
  });

  it("refuses what makes no sense", async () => {
    const session = await sessionOf("plain");
    const make = (pairs: unknown, options?: unknown) => () => session.createState(pairs as never, options as never);
    const pair = { "present.0.key": "past_key_values.0.key" };
    expect(make(["a"])).toThrow(new TypeError('"pairs" expected an object of input names by output names, got a list'));
    expect(make({})).toThrow('"pairs" expected one pair at least, got none');
    expect(make({ here: "past_key_values.0.key" })).toThrow('the model has no output "here"');
    expect(make({ "present.0.key": "there" })).toThrow('the model has no input "there"');
    expect(make({ ...pair, "present.1.key": "past_key_values.0.key" })).toThrow("expected one output, got two");
    expect(make(pair, { capacity: 0 })).toThrow(new RangeError('"capacity" expected integer ≥ 1, got 0'));
    expect(make(pair, 3)).toThrow(new TypeError('"options" expected an object, got number'));

    const state = session.createState(PAIRS);
    const other = await sessionOf("plain");
    const feeds = { input_ids: ids(1) };
    await expect(other.run(feeds, { state })).rejects.toThrow(
      '"state" expected a state of this session, got one of another',
    );
    await expect(session.run(feeds, { state: {} as never })).rejects.toThrow(
      '"state" expected a state of the session, got object',
    );
    const past = { "past_key_values.0.key": f32([1, 2, 0, 8], []) };
    await expect(session.run({ ...feeds, ...past }, { state })).rejects.toThrow(
      'the input "past_key_values.0.key" is fed by the state',
    );
    expect(() => state.read("present.0.key")).toThrow("has no shape before the first run");
    await session.run(feeds, { state });
    expect(() => state.read("logits")).toThrow('the state has no value "logits"');
    for (const length of [-1, 2, 0.5])
      expect(() => state.truncate(length)).toThrow(`"length" expected integer in 0..1, got ${length}`);
    const twice = { input_ids: new Tensor("int64", [1n, 2n], [2, 1]) };
    await expect(session.run(twice, { state })).rejects.toThrow("is [1, 2, 0, 8], and the feeds ask for [2, 2, 0, 8]");

    const running = session.run(feeds, { state });
    expect(() => state.truncate(0)).toThrow("a run with this state is under way");
    state.release();
    await running;
    expect(() => state.truncate(0)).toThrow("the state has been released");
    await expect(session.run(feeds, { state })).rejects.toThrow("the state has been released");
    const late = session.createState(PAIRS);
    await session.release();
    expect(() => late.truncate(0)).toThrow("the session has been released");
    expect(make(pair)).toThrow("the session has been released");
    late.release();
    await other.release();
  });

  it("lies in pieces also where a sequence is made of it", async () => {
    const graph = build(
      { past: [1, 2, "p", 2], x: [1, 2, "n", 2] },
      {},
      [
        ["Concat", ["past", "x"], ["present"], { axis: 2 }],
        ["SequenceConstruct", ["past", "past"], ["both"]],
        ["ConcatFromSequence", ["both"], ["y"], { axis: 1, new_axis: 1 }],
      ],
      ["present", "y"],
    );
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const state = session.createState({ present: "past" }, { capacity: 16 });
    let past = f32([1, 2, 0, 2]);
    for (let step = 0; step < 3; step++) {
      const x = f32(
        [1, 2, 2, 2],
        [1, 2, 3, 4, 5, 6, 7, 8].map((v) => v + 10 * step),
      );
      const { y } = await session.run({ x }, { state });
      const expected = await session.run({ x, past });
      expect(y).toEqual(expected["y"]);
      past = expected["present"]!;
    }
    expect(state.read("past")).toEqual(past);
    await session.release();
  });

  it("is made only of values whose growing axis can be told", async () => {
    const open = async (x: readonly (number | string)[]): Promise<InferenceSession> =>
      InferenceSession.create(
        writeOnnx(build({ x }, { one: f32([1, 3]) }, [["Concat", ["x", "one"], ["y"], { axis: 0 }]], ["y"])),
        { preset: "float32" },
      );
    const grows = await open(["n", 3]);
    const state = grows.createState({ y: "x" });
    for (let i = 1; i <= 3; i++) {
      await grows.run({}, { state });
      expect(state.read("y").dims).toEqual([i, 3]);
    }
    for (const shape of [
      [1, 3],
      ["n", "m"],
    ]) {
      const session = await open(shape);
      expect(() => session.createState({ y: "x" })).toThrow(
        `"y" and "x" cannot be state: the axis that grows cannot be told from its shape [${shape.join(", ")}]`,
      );
    }
  });
});
