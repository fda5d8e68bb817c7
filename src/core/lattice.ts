import { instantiate, loadModule } from "./builds.ts";
import { LinearMemory, newMemory } from "./memory.ts";

/** The functions of assembly/lattice.ts; pointers are byte addresses. What they read and write is said in assembly/sets/ and assembly/regimes/. */
export interface LatticeExports {
  gcds(table: number, n: number, out: number): void;
  reach(g: number, offset: number, m: number, s: number, out: number): number;
  closure(all: number, frontier: number, next: number, words: number, steps: number, count: number): number;
  separate(table: number, m: number, s: number, values: number, apart: number): number;
  verify(network: number, first: number, count: number): number;
  evaluateDyadic(
    network: number,
    points: number,
    inputs: number,
    front: number,
    back: number,
    most: number,
    outputs: number,
    widest: number,
  ): number;
}

/** One instance of the lattice module with a memory of its own. */
export class Lattice extends LinearMemory {
  private constructor(
    memory: WebAssembly.Memory,
    readonly exports: LatticeExports,
  ) {
    super(memory);
  }

  /** Instantiates the module; `module` replaces the inlined one. */
  static async create(module?: WebAssembly.Module): Promise<Lattice> {
    const memory = newMemory();
    return new Lattice(memory, await instantiate(module ?? (await loadModule("lattice")), memory));
  }

  /** A 64-aligned block of zeros. Views of the memory made before this call may be detached. */
  override allocate(bytes: number): number {
    const at = super.allocate(bytes);
    this.u8(at, bytes).fill(0);
    return at;
  }
}
