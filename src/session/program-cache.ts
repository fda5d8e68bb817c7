import type { Core } from "../core/index.ts";
import type { SpecializedGraph } from "../graph/graph.ts";
import { type Compiled, type CompileTarget, compile } from "../program/compile.ts";
import type { PlannedGraph } from "../program/planned.ts";

/** Most programs kept; each is some kilobytes, but lowering again costs milliseconds. */
const CAPACITY = 64;

/**
 * Programs by signature of input shapes. All share one arena, which grows to the largest; programs that were bound to a smaller one are
 * written again when they are next used.
 */
export class ProgramCache {
  private readonly programs = new Map<string, { compiled: Compiled; address: number; arena: number }>();
  private arena = 0;
  private arenaBytes = 0;

  constructor(
    private readonly planned: PlannedGraph,
    private readonly target: CompileTarget,
  ) {}

  get(signature: string, specialize: () => SpecializedGraph): { program: Compiled; address: number; arena: number } {
    const { core } = this.target;
    let entry = this.programs.get(signature);
    if (entry === undefined) {
      entry = { compiled: compile(this.planned, specialize(), this.target), address: 0, arena: 0 };
    } else {
      this.programs.delete(signature);
    }
    this.programs.set(signature, entry);
    this.reserve(core, entry.compiled.arenaBytes);
    if (entry.address === 0 || entry.arena !== this.arena) {
      if (entry.address !== 0) core.release(entry.address);
      entry.address = entry.compiled.write(this.arena);
      entry.arena = this.arena;
    }
    this.evict(core);
    return { program: entry.compiled, address: entry.address, arena: entry.arena };
  }

  private reserve(core: Core, bytes: number): void {
    if (this.arena !== 0 && bytes <= this.arenaBytes) return;
    if (this.arena !== 0) core.release(this.arena);
    this.arena = 0;
    this.arena = core.allocate(bytes);
    this.arenaBytes = bytes;
  }

  private evict(core: Core): void {
    for (const [signature, { address, compiled }] of this.programs) {
      if (this.programs.size <= CAPACITY) return;
      compiled.release();
      if (address !== 0) core.release(address);
      this.programs.delete(signature);
    }
  }
}
