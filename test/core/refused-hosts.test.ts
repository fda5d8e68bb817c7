// Hosts that cannot run the core: each says so in a sentence.
import { readFileSync } from "node:fs";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Core, Lattice } from "../../src/core/index.ts";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";

const MODEL = readFileSync(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url));
const WASM = readFileSync(new URL("../../build/simd.wasm", import.meta.url));

// Node compiles its own HTTP parser when it is first asked for a Response: now, not while there is no WebAssembly.
beforeAll(async () => {
  await new Response("").text();
  await new Promise((resolve) => setTimeout(resolve, 50));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** The namespace with another member in the place of one; those of an engine are not enumerable. */
function withMember(name: string, value: unknown): object {
  return Object.create(WebAssembly, { [name]: { value } });
}

describe("a host without WebAssembly", () => {
  it.each<[string, () => Promise<unknown>]>([
    ["create", () => InferenceSession.create(MODEL)],
    ["create with a build", () => InferenceSession.create(MODEL, { build: "scalar" })],
    ["create with a module", () => InferenceSession.create(MODEL, { wasm: WASM })],
    ["create with threads", () => InferenceSession.create(MODEL, { numThreads: 2 })],
    ["quantize", () => quantize(MODEL)],
    ["the lattice", () => Lattice.create()],
  ])("refuses %s", async (_, action) => {
    vi.stubGlobal("WebAssembly", undefined);
    await expect(action()).rejects.toMatchObject({
      code: "BUILD",
      message: "bitbasis expected a runtime with WebAssembly, got one that has none or has it turned off",
    });
  });
});

describe("a host that forbids to compile WebAssembly", () => {
  const words = {
    Chromium:
      "WebAssembly.compile(): Compiling or instantiating WebAssembly module violates the following Content Security policy directive because neither 'wasm-eval' nor 'unsafe-eval' is an allowed source of script in the following Content Security Policy directive: \"default-src 'self'\"",
    Firefox: "call to WebAssembly.compile() blocked by CSP",
    Safari:
      "Refused to create a WebAssembly object because 'unsafe-eval' or 'wasm-unsafe-eval' is not an allowed source of script",
    workerd: "WebAssembly.compile(): Wasm code generation disallowed by embedder",
  };
  const options = { "the package's build": {}, "a module's bytes": { wasm: WASM }, threads: { numThreads: 2 } };

  it.each(
    Object.entries(words).flatMap(([host, said]) =>
      Object.entries(options).map(([name, given]) => [host, name, said, given] as const),
    ),
  )("%s, with %s: what was said, and what to do", async (_host, _name, said, given) => {
    vi.spyOn(WebAssembly, "compile").mockRejectedValue(new WebAssembly.CompileError(said));
    const create = InferenceSession.create(MODEL, given);
    await expect(create).rejects.toMatchObject({ code: "BUILD", message: expect.stringContaining(said) });
    await expect(create).rejects.toThrow(/script-src 'wasm-unsafe-eval'; .*"bitbasis\/workerd"$/);
  });

  it("blames a host that cannot compile the build for nothing else", async () => {
    vi.spyOn(WebAssembly, "compile").mockRejectedValue(new WebAssembly.CompileError("invalid opcode 0xfd"));
    await expect(InferenceSession.create(MODEL)).rejects.toMatchObject({
      code: "BUILD",
      message: 'this runtime cannot compile the build "simd": invalid opcode 0xfd',
    });
  });

  // From here on the package's build is compiled, once for the process.
  it.each(["with the package's build", "with a module's bytes"] as const)(
    "Safari compiles all the same and refuses the instance, %s",
    async (name) => {
      vi.spyOn(WebAssembly, "instantiate").mockRejectedValue(new WebAssembly.CompileError(words.Safari));
      const create = InferenceSession.create(MODEL, name.includes("bytes") ? { wasm: WASM } : {});
      await expect(create).rejects.toMatchObject({ code: "BUILD", message: expect.stringContaining(words.Safari) });
      await expect(create).rejects.toThrow(/script-src 'wasm-unsafe-eval'; .*"bitbasis\/workerd"$/);
      await expect(Lattice.create()).rejects.toThrow(/script-src 'wasm-unsafe-eval'/);
    },
  );

  it("hands on what an engine says for another reason", async () => {
    vi.spyOn(WebAssembly, "instantiate").mockRejectedValue(new RangeError("out of memory"));
    await expect(Lattice.create()).rejects.toThrow(new RangeError("out of memory"));
  });
});

describe("a host with too little memory", () => {
  /** An engine that has addresses for memories of this many pages. */
  function memoryOf(pages: number): unknown {
    return class extends WebAssembly.Memory {
      constructor(descriptor: WebAssembly.MemoryDescriptor) {
        if (descriptor.initial > pages) throw new RangeError("WebAssembly.Memory(): could not allocate memory");
        super({ ...descriptor, maximum: pages });
      }
    };
  }

  it("says so where there is no room for an instance", async () => {
    vi.stubGlobal("WebAssembly", withMember("Memory", memoryOf(0)));
    for (const create of [() => Core.create("scalar"), () => InferenceSession.create(MODEL), () => Lattice.create()]) {
      await expect(create()).rejects.toMatchObject({
        code: "MEMORY",
        message:
          "this runtime has no room for another wasm memory: WebAssembly.Memory(): could not allocate memory; release sessions that are not used",
      });
    }
  });

  it("says so where a memory cannot grow, and runs what there is room for", async () => {
    vi.stubGlobal("WebAssembly", withMember("Memory", memoryOf(64)));
    const session = await InferenceSession.create(MODEL);
    const run = (batch: number): Promise<unknown> =>
      session.run({ image: new Tensor("float32", new Float32Array(784 * batch), [batch, 1, 28, 28]) });
    await expect(run(2000)).rejects.toMatchObject({
      code: "MEMORY",
      message: expect.stringMatching(/^the wasm memory could not grow to \d+ bytes$/),
    });
    await expect(run(1)).resolves.toHaveProperty("logits");
    await session.release();
  });
});
