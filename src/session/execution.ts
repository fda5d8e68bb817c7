import { bytesOf, type Core } from "../core/index.ts";
import { captures, evaluateNode, isGraph, type Known, type Node, nodeError, type Outcome } from "../graph/index.ts";
import { operatorOf } from "../graph/operators/index.ts";
import type { Model } from "../model/index.ts";
import { floatsBy } from "../program/fused.ts";
import { type Given, type Part, type Routine, routineOf } from "../program/routine.ts";
import type { Schedule } from "../program/schedule.ts";
import { bytesIn, type NumericType, sizeOf, Tensor, viewData } from "../tensor/index.ts";
import type { Body, ControlNode } from "./control-node.ts";
import { copyBytes } from "./copy.ts";
import type { Runner } from "./runner.ts";
import type { SessionState } from "./state.ts";
import {
  bytesBeside,
  gather,
  type Held,
  isHeld,
  knownOf,
  Placed,
  Scope,
  toConstant,
  type Value,
  viewOf,
} from "./values.ts";

/** What a run of the model's own routine has that a body has not. */
interface ModelRun {
  /** Takes what the run makes of its values. */
  readonly state?: SessionState;
  /** Names of the outputs that are read afterwards; absent: all. */
  readonly wanted?: ReadonlySet<string>;
}

/** One run of a model: goes along the parts of its schedule. */
export class Execution {
  constructor(
    private readonly core: Core,
    private readonly model: Model,
    private readonly schedule: Schedule,
    private readonly runner: Runner,
  ) {}

  /**
   * Runs a routine. Values of the results lie in blocks of `scope`; those of the model's own outputs in the arena, until the next program runs.
   *
   * @returns the outputs in order, nothing for those that nobody wants
   */
  async run(routine: Routine, inputs: ReadonlyMap<string, Value>, scope: Scope, own: ModelRun = {}): Promise<Value[]> {
    const { state, wanted } = own;
    const local = new Scope(this.core);
    const values = new Map(inputs);
    const path: Part[] = [];
    const { beside } = this.core;
    try {
      for (let part = await this.begin(routine, values, state); ; ) {
        path.push(part);
        this.core.beside = beside;
        for (const [name, value] of values) if (inputs.get(name) !== value) this.core.hold(bytesBeside(value));
        await this.program(part, values, local, own);
        if (part.stage.stop === undefined) break;
        const outcome = await this.pass(part, values, local);
        part = await this.runner.inTurns(this.schedule.after(part, outcome));
        const { inputs: read, kept } = part.stage;
        for (const name of values.keys()) if (!kept.has(name) && !read.includes(name)) values.delete(name);
        local.keep(values.values());
      }
      const last = path.at(-1)!;
      const { kept } = last.program;
      const read = (name: string): Value => this.lookup(last, values, name);
      const results = routine.graph.outputs.map(({ name }) => (wanted?.has(name) === false ? undefined : read(name)));
      state?.take(read, kept);
      local.give(results, scope);
      return results;
    } finally {
      this.core.beside = beside;
      local.release();
      this.schedule.free(path);
    }
  }

  /** The first part, once the state has room for what it appends. */
  private async begin(routine: Routine, values: Map<string, Value>, state: SessionState | undefined): Promise<Part> {
    for (;;) {
      const part = await this.runner.inTurns(this.schedule.begin(routine, givenOf(values), state));
      if (part === undefined) {
        await this.schedule.loadRanges();
        continue;
      }
      let rows = 0;
      for (const { shape, place } of part.program.kept.values()) rows = Math.max(rows, shape[place.axis]!);
      if (!state?.lacks(rows)) return part;
      this.schedule.free([part]);
      state.grow(rows);
      state.put(values);
    }
  }

  /** Runs the program of a part and takes what it makes into `values`. */
  private async program(part: Part, values: Map<string, Value>, scope: Scope, own: ModelRun): Promise<void> {
    const { stage, program } = part;
    const { state, wanted } = own;
    if (program.count === 0 && program.outputs.size === 0 && program.kept.size === 0) return;
    const bound = { part, ...this.schedule.bind(part, state) };
    for (const [name, { place }] of program.inputs) {
      if ("arena" in place) await this.copyTo(values.get(name) as Held, bound.arena + place.arena);
    }
    await this.runner.program(bound);
    for (const [name, { type, shape, place }] of program.kept) {
      if (!wanted?.has(name)) continue;
      values.set(name, new Placed(type as NumericType, shape, state!.block(place.rows, 0, false), undefined, place));
    }
    for (const [name, { type, shape, place }] of program.outputs) {
      if ("constant" in place) {
        values.set(name, place.constant);
        continue;
      }
      const made = new Placed(type as NumericType, shape, "arena" in place ? bound.arena + place.arena : place.address);
      if (stage.final) values.set(name, made);
      else {
        const copy = scope.place(made.type, shape);
        await this.copyTo(made, copy.at);
        values.set(name, copy);
      }
    }
  }

  /** Copies a numeric tensor to an address. */
  private async copyTo(value: Held, address: number): Promise<void> {
    const { core, runner } = this;
    if (value instanceof Placed && value.pieces !== undefined)
      return gather(core, value, core.u8(address, value.bytes));
    const { length } = viewOf(core, value);
    await copyBytes(
      () => viewOf(core, value),
      () => core.u8(address, length),
      () => runner.rest(),
    );
  }

  /** A copy in JavaScript as evaluators read it. */
  private async constant(value: Held): Promise<Tensor> {
    const { core, runner } = this;
    if (value.type === "string") return value as Tensor;
    core.hold(bytesIn(value.type, sizeOf(value.dims)));
    if (value instanceof Placed && value.pieces !== undefined) return toConstant(core, value);
    const bytes = new Uint8Array(viewOf(core, value).length);
    await copyBytes(
      () => viewOf(core, value),
      () => bytes,
      () => runner.rest(),
    );
    return toConstant(core, value, bytes);
  }

  /** Deals with what a part stops at. */
  private async pass(part: Part, values: Map<string, Value>, scope: Scope): Promise<Outcome> {
    const { opsets } = part.stage;
    const stop = part.stage.stop!;
    const { node } = stop;
    if (stop.kind === "learn") {
      const constants = new Map<string, Tensor>();
      for (const name of stop.names) {
        const value = this.held(part, values, name);
        // Rules read its elements as a list of numbers.
        this.core.hold(3 * bytesIn("float64", sizeOf(value.dims)));
        constants.set(name, toConstant(this.core, value));
      }
      return { constants };
    }
    let outputs: readonly Value[];
    if (stop.kind === "host") {
      const hold = (bytes: number): void => this.core.hold(bytes);
      const inputs: (Tensor | undefined)[] = [];
      for (const name of node.inputs)
        inputs.push(name === "" ? undefined : await this.constant(this.held(part, values, name)));
      const run = (routine: Routine, own: ReadonlyMap<string, Value>) => this.run(routine, own, scope);
      const texts = inputs.some((input) => input?.type === "string") && operatorOf(node)!.steps;
      outputs =
        (texts && (await (await import("./texts.ts")).moveTexts(part, inputs, this.core, this.runner, run))) ||
        (await evaluateNode(node, opsets, inputs, () => this.runner.turn(), hold));
    } else {
      const { runBetween } = await import("./between.ts");
      outputs = await runBetween(this.control(part, values, scope));
    }
    const found = new Map<string, Known>();
    node.outputs.forEach((name, i) => {
      if (name === "") return;
      if (i >= outputs.length) throw nodeError(node, opsets, `output ${i} is not supported`);
      values.set(name, outputs[i]);
      found.set(name, knownOf(outputs[i]));
    });
    return { values: found };
  }

  private control(part: Part, values: ReadonlyMap<string, Value>, scope: Scope): ControlNode {
    const { opsets, stop } = part.stage;
    const { node } = stop!;
    const fail = (why: string): Error => nodeError(node, opsets, why, "MODEL");
    const value = (i: number): Value => this.lookup(part, values, node.inputs[i] ?? "");
    return {
      node,
      core: this.core,
      opset: opsets[""] ?? 0,
      scope,
      count: node.inputs.length,
      has: (i) => (node.inputs[i] ?? "") !== "",
      value,
      tensor: (i) => {
        const held = value(i);
        if (isHeld(held)) return held;
        throw fail(`input ${i} expected a tensor, got ${held === undefined ? "nothing" : "a sequence"}`);
      },
      sequence: (i) => {
        const list = value(i);
        if (list !== undefined && !isHeld(list)) return list;
        throw fail(`input ${i} expected a sequence, got ${list === undefined ? "nothing" : "a tensor"}`);
      },
      body: (attribute) => this.body(part, values, attribute),
      turn: () => this.runner.turn(),
      rest: () => this.runner.rest(),
      work: (macs) => this.runner.work(macs),
      fail,
    };
  }

  /** A body of the node that a part stops at. */
  private body(part: Part, values: ReadonlyMap<string, Value>, attribute: string): Body {
    const { opsets, stop } = part.stage;
    const { node } = stop!;
    const graph = node.attributes[attribute];
    if (!isGraph(graph)) throw nodeError(node, opsets, `"${attribute}" is missing`, "MODEL");
    const captured = new Map<string, Value>();
    const constants = new Map(graph.initializers);
    for (const name of captures(graph)) {
      const source = part.stage.source(name);
      if (source.constant !== undefined) constants.set(name, source.constant);
      else if (!source.series || source.name !== name) captured.set(name, this.lookup(part, values, name));
    }
    let routine = part.bodies.get(attribute);
    if (routine === undefined) {
      const outer = [...captured.keys()].map((name) => ({ name, type: "float32" as const, shape: undefined }));
      const inputs = [...graph.inputs, ...outer];
      routine = routineOf({ ...graph, opsets, inputs, initializers: constants }, part.stage);
      part.bodies.set(attribute, routine);
    }
    const call = (inputs: readonly Value[], scope: Scope): Promise<Value[]> => {
      const own = graph.inputs.map(({ name }, i): [string, Value] => [name, inputs[i]]);
      return this.run(routine, new Map([...own, ...captured]), scope);
    };
    return { graph, call };
  }

  /** Any value by name. */
  private lookup(part: Part, values: ReadonlyMap<string, Value>, name: string): Value {
    if (name === "") return undefined;
    const { name: own, constant, series } = part.stage.source(name);
    if (constant !== undefined) return constant;
    if (series) {
      const weights = this.model.weights.get(own)!;
      return new Tensor("float32", floatsBy(this.core, weights), weights.shape);
    }
    if (!values.has(own)) {
      const node = part.stage.stop?.node;
      const why = `reads "${name}", which nothing makes`;
      throw nodeError(node ?? { ...NOWHERE, name }, part.stage.opsets, why, "MODEL");
    }
    return values.get(own);
  }

  private held(part: Part, values: ReadonlyMap<string, Value>, name: string): Held {
    const value = this.lookup(part, values, name);
    if (isHeld(value)) return value;
    throw nodeError(part.stage.stop!.node, part.stage.opsets, `"${name}" expected a tensor`, "MODEL");
  }
}

/** What an output belongs to that no node makes. */
const NOWHERE: Node = { name: "", op: "graph", domain: "", inputs: [], outputs: [], attributes: {} };

function givenOf(inputs: ReadonlyMap<string, Value>): Map<string, Given> {
  return new Map(
    [...inputs].map(([name, value]) => {
      const known = knownOf(value);
      return [name, value instanceof Tensor ? { known, elements: () => elementsOf(value) } : { known }];
    }),
  );
}

/** A copy of a feed's elements, float16 as bit patterns, which is what the passes compute with. */
function elementsOf(tensor: Tensor): Tensor {
  const { type, data, dims, size } = tensor;
  if (!ArrayBuffer.isView(data)) return tensor;
  return new Tensor(type as NumericType, viewData(type as NumericType, bytesOf(data).slice(), size), dims);
}
