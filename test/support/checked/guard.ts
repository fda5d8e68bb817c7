// The host's side of assembly/checked/guard.ts: knows the core's blocks to the byte, and which bytes somebody has written.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const PAGE_BYTES = 65536;
const FAULTS = ["", "reads", "writes", "reads what nobody wrote:"] as const;

/** A region that the running step names. */
export interface Region {
  readonly from: number;
  readonly bytes: number;
  readonly writable: boolean;
  readonly name: string;
}

interface GuardExports {
  read(at: number, offset: number, bytes: number): number;
  write(at: number, offset: number, bytes: number): number;
  clear(): void;
  allow(from: number, to: number, writable: number): void;
  readonly SHADOW: WebAssembly.Global<"i32">;
  readonly fault: WebAssembly.Global<"i32">;
  readonly faultAt: WebAssembly.Global<"i32">;
  readonly faultBytes: WebAssembly.Global<"i32">;
}

/** A step, or a function of the core, that touched what is not its own. */
export class Violation extends Error {
  override readonly name = "Violation";
}

const modules = new Map<string, WebAssembly.Module>();

/** One of the modules that scripts/build-checked.mjs makes. */
export function checkedModule(name: "scalar" | "simd" | "guard"): WebAssembly.Module {
  let module = modules.get(name);
  if (module === undefined) {
    const path = `build/checked/${name}.wasm`;
    try {
      module = new WebAssembly.Module(readFileSync(fileURLToPath(new URL(path, root()))));
    } catch (cause) {
      throw new Error(`${path} is missing: node scripts/build-wasm.mjs makes it`, { cause });
    }
    modules.set(name, module);
  }
  return module;
}

/** The repository, from test/support/checked/ or from build/tools/test/support/checked/. */
function root(): URL {
  const here = new URL("../../../", import.meta.url);
  return here.pathname.endsWith("/build/tools/") ? new URL("../../", here) : here;
}

export class Guard {
  /** Blocks by address: bytes that were asked for, which may be fewer than the allocator gave. */
  private readonly blocks = new Map<number, number>();
  private regions: readonly Region[] = [];
  /** Another module writes to the memory, and is not seen: whatever is there counts as written. */
  private trusting = false;
  private readonly memory = new WebAssembly.Memory({ initial: 2 });
  private readonly exports: GuardExports;

  constructor(private readonly core: WebAssembly.Memory) {
    const { exports } = new WebAssembly.Instance(checkedModule("guard"), { env: { memory: this.memory } });
    this.exports = exports as unknown as GuardExports;
  }

  /** What the checked core imports. */
  get imports(): Record<string, WebAssembly.ExportValue> {
    return { read: this.exports.read, write: this.exports.write };
  }

  /** A new block, which nobody has written. */
  add(at: number, bytes: number): void {
    this.blocks.set(at, bytes);
    this.forget(at, bytes);
  }

  remove(at: number): void {
    this.blocks.delete(at);
  }

  /** The block that an address lies in. */
  blockOf(at: number): { from: number; bytes: number } | undefined {
    for (const [from, bytes] of this.blocks)
      if (at === from || (at > from && at < from + bytes)) return { from, bytes };
    return undefined;
  }

  /** These bytes count as written. */
  written(at: number, bytes: number): void {
    this.shadow(at, bytes).fill(1);
  }

  /** These bytes count as not written. */
  forget(at: number, bytes: number): void {
    this.shadow(at, bytes).fill(this.trusting ? 1 : 0);
  }

  /** From now on accesses are held against blocks only, no longer against what has been written. */
  trust(): void {
    this.trusting = true;
    for (const [at, bytes] of this.blocks) this.written(at, bytes);
  }

  /** Throws where bytes that the host is about to read have not been written. */
  require(at: number, bytes: number, what: string): void {
    const missing = this.shadow(at, bytes).indexOf(0);
    if (missing >= 0) throw new Violation(`${what}: byte ${missing} of ${bytes} at ${at} has not been written`);
  }

  /** Runs `body`, which may touch the regions and nothing else. */
  within<T>(regions: readonly Region[], what: string, body: () => T): T {
    this.regions = regions;
    this.shadow(0, 0);
    this.exports.clear();
    for (const { from, bytes, writable } of regions) this.exports.allow(from, from + bytes, writable ? 1 : 0);
    try {
      return body();
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      throw new Violation(`${what}: ${this.exports.fault.value === 0 ? error.message : this.fault()}`, {
        cause: error,
      });
    } finally {
      this.exports.clear();
    }
  }

  private fault(): string {
    const { fault, faultAt, faultBytes } = this.exports;
    const at = faultAt.value >>> 0;
    const near = this.regions
      .map((region) => ({ ...region, away: Math.max(region.from - at, at - region.from - region.bytes, 0) }))
      .sort((a, b) => a.away - b.away)[0];
    const place =
      near === undefined
        ? ""
        : `, byte ${at - near.from} of ${near.bytes} of ${near.writable ? "" : "read-only "}${near.name}`;
    return `${FAULTS[fault.value]} ${faultBytes.value >>> 0} bytes at ${at}${place}`;
  }

  private shadow(at: number, bytes: number): Uint8Array {
    const origin = this.exports.SHADOW.value;
    const missing = this.core.buffer.byteLength + origin - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE_BYTES));
    return new Uint8Array(this.memory.buffer, origin + at, bytes);
  }
}
