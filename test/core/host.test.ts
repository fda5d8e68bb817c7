import { afterEach, describe, expect, it, vi } from "vitest";
import { chooseBuild, environment, hasFiles, nodeModule } from "../../src/core/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
// Loaded when a file is asked for; the runner of the tests would load it while it has no process.
import "../../src/session/files.ts";

afterEach(() => vi.unstubAllGlobals());

const HOSTS: readonly [string, unknown][] = [
  ["no process", undefined],
  ["null for a process", null],
  ["a page's process with nothing in it", {}],
  [
    "a process whose environment may not be read",
    {
      env: new Proxy(
        {},
        {
          get: () => {
            throw new Error("NotCapable");
          },
        },
      ),
    },
  ],
];

describe.each(HOSTS)("with %s", (_, process) => {
  it("there is no environment, no file and no module of Node's", () => {
    vi.stubGlobal("process", process);
    expect(environment("BITBASIS_BUILD")).toBeUndefined();
    expect(["scalar", "simd"]).toContain(chooseBuild("auto"));
    expect(hasFiles()).toBe(false);
    expect(() => nodeModule("node:path")).toThrow("Node 20.16 or newer, Deno and Bun; there is no node:path here");
  });

  it("a file: URL says what is missing", async () => {
    vi.stubGlobal("process", process);
    await expect(InferenceSession.create(new URL("file:///model.onnx"))).rejects.toMatchObject({
      code: "MODEL",
      message: expect.stringMatching(/^cannot read file:\/\/\/model\.onnx: a path can be read in Node 20\.16/),
    });
  });
});

describe("in Node", () => {
  it("the environment and files can be read", () => {
    vi.stubEnv("BITBASIS_BUILD", "scalar");
    expect(chooseBuild("auto")).toBe("scalar");
    vi.unstubAllEnvs();
    expect(hasFiles()).toBe(true);
    expect(nodeModule("node:path").basename("/a/b")).toBe("b");
  });
});
