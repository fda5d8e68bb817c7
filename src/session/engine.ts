import { BadIndex, type Core, Incomplete, Turns } from "../core/index.ts";
import type { ValueInfo } from "../graph/index.ts";
import { knownWeights, type Model } from "../model/index.ts";
import type { Crew } from "../parallel/index.ts";
import { Constants } from "../program/constants.ts";
import { Panels, tableKey } from "../program/panels.ts";
import type * as Pieces from "../program/pieces.ts";
import { type Routine, routineOf } from "../program/routine.ts";
import { Schedule } from "../program/schedule.ts";
import { runSliced, type Slice } from "../program/slices.ts";
import type { WeightSeries } from "../series/index.ts";
import { bytesIn, sizeOf, type Tensor } from "../tensor/index.ts";
import { copyBytes } from "./copy.ts";
import { Execution } from "./execution.ts";
import { WorkMeter } from "./limits.ts";
import type { Bound, Runner } from "./runner.ts";
import type { SessionState } from "./state.ts";
import { type Held, isHeld, Placed, Scope, toTensor, type Value, viewOf } from "./values.ts";

/** What an output is to a caller. */
export type Output = Tensor | readonly Tensor[] | null;

/** A model in the memory of a core: all that a session drops when it is released. */
export class Engine {
  private readonly panels: Panels;
  private readonly constants: Constants;
  readonly schedule: Schedule;
  readonly main: Routine;

  constructor(
    readonly core: Core,
    readonly model: Model,
    /** Most work of one run. */
    private readonly macs: number,
    /** Workers that run its programs with it. */
    private readonly crew?: Crew,
    pieces?: typeof Pieces,
  ) {
    this.panels = new Panels(core, crew?.elsewhere);
    this.constants = new Constants(core);
    const target = { core, constants: this.constants, panels: this.panels, threads: crew?.slots ?? 1, pieces };
    this.schedule = new Schedule(model, target, knownWeights(model));
    this.main = routineOf(model.graph);
  }

  /** Adds the terms that have arrived since to the weights. */
  refine(grown: readonly WeightSeries[]): void {
    for (const series of grown) {
      if (this.panels.refine(series)) this.schedule.clear();
      // Tables that rows are looked up in; weights that are read as they are, and those of layers that multiply in float32.
      this.constants.replace(tableKey(series.name));
      this.constants.replace(series.name);
    }
  }

  /** Makes the program of a decoder before its first token, where shapes tell it. */
  async prepare(inputs: readonly ValueInfo[], state: SessionState): Promise<void> {
    if (!state.expect()) return;
    await this.schedule.loadRanges();
    await new Turns(undefined).run(this.schedule.prepare(this.main, inputs, state));
  }

  /**
   * Copies of the outputs named; in slices, with the event loop between them, when there is a signal to look at. A state, whose values are among the
   * inputs, takes what becomes of them.
   */
  async run(
    inputs: ReadonlyMap<string, Value>,
    names: readonly string[],
    signal: AbortSignal | undefined,
    state?: SessionState,
  ): Promise<Record<string, Output>> {
    const [turns, meter] = [new Turns(signal), new WorkMeter(this.macs)];
    const turn = (): Promise<void> => {
      meter.call();
      return turns.next();
    };
    const program = async (bound: Bound): Promise<void> => {
      const { program } = bound.part;
      meter.add(program);
      await runSliced(program, signal, (slice) => this.steps(bound, slice), turns);
    };
    const scope = new Scope(this.core);
    try {
      const rest = (): Promise<void> => turns.next();
      const work = (macs: number): void => meter.work(macs);
      const inTurns: Runner["inTurns"] = (steps) => turns.run(steps);
      const execution = new Execution(this.core, this.model, this.schedule, { program, turn, rest, inTurns, work });
      const own = { wanted: new Set(names), ...(state && { state }) };
      const results = await execution.run(this.main, inputs, scope, own);
      const { outputs } = this.model.graph;
      // A state has taken its values: nobody may abort any more.
      const pause = state === undefined ? rest : async (): Promise<void> => {};
      const read: [string, Output][] = [];
      for (const name of names) {
        const value = results[outputs.findIndex((output) => output.name === name)];
        read.push([name, await this.read(value, pause)]);
      }
      return Object.fromEntries(read);
    } finally {
      this.core.beside = 0;
      scope.release();
    }
  }

  /** Runs a slice of a program. */
  async steps(bound: Bound, slice: Slice): Promise<void> {
    const { part, address } = bound;
    const { first, count, part: thread, parts } = slice;
    try {
      if (this.crew === undefined) this.core.run(address, first, count, thread, parts);
      else await this.crew.run(address, slice, part.program.steps);
    } catch (error) {
      if (error instanceof Incomplete) {
        await this.core.complete();
        return this.steps(bound, { ...slice, first: error.step, count: first + count - error.step });
      }
      throw error instanceof BadIndex ? part.program.explain(error) : error;
    }
  }

  private async read(value: Value, rest: () => Promise<void>): Promise<Output> {
    if (value === undefined) return null;
    if (isHeld(value)) return this.readTensor(value, rest);
    const tensors: Tensor[] = [];
    for (const one of value) tensors.push(await this.readTensor(one, rest));
    return tensors;
  }

  private async readTensor(value: Held, rest: () => Promise<void>): Promise<Tensor> {
    const { core } = this;
    core.hold(bytesIn(value.type, sizeOf(value.dims)));
    if (!(value instanceof Placed) || value.pieces !== undefined) return toTensor(core, value);
    const bytes = new Uint8Array(value.bytes);
    await copyBytes(
      () => viewOf(core, value),
      () => bytes,
      rest,
    );
    return toTensor(core, value, bytes);
  }
}
