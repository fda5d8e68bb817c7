import { bytesOf, type Core } from "../core/index.ts";
import { type Stage, specialize } from "../graph/specialize.ts";
import { type Compiled, type CompileTarget, compile } from "../program/compile.ts";
import { Constants } from "../program/constants.ts";
import { Panels } from "../program/panels.ts";
import type { PlannedGraph } from "../program/planned.ts";
import { elementBytes, type Shape, sizeOf, Tensor, viewData } from "../tensor/index.ts";

/** Feeds of one run, by input. */
export type Feeds = ReadonlyMap<string, Tensor>;

/** Names, types and shapes of feeds: feeds of one signature run the same program. */
export function signatureOf(feeds: Feeds): string {
  return [...feeds].map(([name, { type, dims }]) => `${name}:${type}[${dims}]`).join();
}

/** The network as one stage for feeds of these types and shapes, which may stop before its end. */
export function stageFor(
  { graph, weights }: PlannedGraph,
  feeds: Iterable<readonly [string, { readonly type: string; readonly shape: Shape }]>,
): Stage {
  const known = new Map([...weights].map(([name, { shape }]) => [name, { type: "float32" as const, shape }]));
  return specialize(graph, Object.fromEntries(feeds), { weights: known });
}

/** Runs a model that is one stage, on one core that is its own, as often as it is asked; one program per signature. */
export class Runner {
  private readonly programs = new Map<string, { readonly program: Compiled; readonly address: number }>();
  private readonly target: CompileTarget;
  private arena = { at: 0, bytes: -1 };

  constructor(
    private readonly core: Core,
    private readonly model: PlannedGraph,
  ) {
    this.target = { core, constants: new Constants(core), panels: new Panels(core), threads: 1 };
  }

  run(feeds: Feeds): Map<string, Tensor> {
    const { core } = this;
    const { program, address } = this.programFor(feeds);
    const { at } = this.arena;
    for (const [name, { place }] of program.inputs) {
      const data = feeds.get(name)!.data as Float32Array;
      if ("arena" in place) core.u8(at + place.arena, data.byteLength).set(bytesOf(data));
    }
    core.run(address, 0, program.steps.length);
    const results = new Map<string, Tensor>();
    for (const [name, { type, shape, place }] of program.outputs) {
      if ("constant" in place) continue;
      const bytes = core
        .u8("arena" in place ? at + place.arena : place.address, sizeOf(shape) * elementBytes(type))
        .slice();
      results.set(name, new Tensor(type, viewData(type as "float32", bytes, sizeOf(shape)), shape));
    }
    return results;
  }

  private programFor(feeds: Feeds): { readonly program: Compiled; readonly address: number } {
    const signature = signatureOf(feeds);
    const made = this.programs.get(signature);
    if (made !== undefined) return made;
    const stage = stageFor(
      this.model,
      [...feeds].map(([name, { type, dims }]) => [name, { type, shape: dims }] as const),
    );
    const program = compile(this.model, stage, this.target);
    if (program.arenaBytes > this.arena.bytes) {
      // Programs are written for the arena that they run in.
      for (const { program: old, address } of this.programs.values()) {
        old.release();
        this.core.release(address);
      }
      this.programs.clear();
      if (this.arena.bytes >= 0) this.core.release(this.arena.at);
      this.arena = { at: this.core.allocate(program.arenaBytes), bytes: program.arenaBytes };
    }
    const entry = { program, address: program.write(this.arena.at) };
    this.programs.set(signature, entry);
    return entry;
  }
}
