// The C library runs program images with a session's bits. It needs wasm2c and a C compiler, which not every machine has.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ImageHeader } from "../../src/core/abi/image.ts";
import { InferenceSession, type Preset, Tensor } from "../../src/entries/index.ts";
import { exportProgram, quantize } from "../../src/entries/quantize.ts";
import { noise } from "../model/models.ts";
import { installed } from "../support/debian.ts";
import { withDigest } from "./standalone.ts";

const PACKAGES = { wasm2c: "wabt", cc: "gcc", ar: "binutils" };
const missing = Object.entries(PACKAGES).flatMap(([command, name]) => (installed(command, name) ? [] : [command]));
if (missing.length > 0) console.warn(`the C library is not tested: ${missing.join(", ")} cannot be run`);

const BUILD = fileURLToPath(new URL("../../native/build.mjs", import.meta.url));
const MODEL = new URL("../fixtures/models/fmnist_resnet.onnx", import.meta.url);

describe.skipIf(missing.length > 0)("the C library", () => {
  let folder = "";
  let image = new Uint8Array();
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "bitbasis-native-"));
    const { status, stderr } = spawnSync(process.execPath, [BUILD, folder]);
    // The compiler has nothing to warn of.
    expect({ status, stderr: stderr.toString() }).toEqual({ status: 0, stderr: "" });
    image = (await exportProgram((await quantize(readFileSync(MODEL))).bytes, { image: [1, 1, 28, 28] })).image;
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true }));

  function run(bytes: Uint8Array, input: Uint8Array): { status: number | null; stdout: Buffer; stderr: string } {
    writeFileSync(join(folder, "image"), bytes);
    const fed = join(folder, "input");
    writeFileSync(fed, input);
    const command = `"${join(folder, "run")}" "${join(folder, "image")}" 2 < "${fed}"`;
    const { status, stdout, stderr } = spawnSync("sh", ["-c", command]);
    return { status, stdout, stderr: stderr.toString() };
  }

  it.each<Preset>(["float32", "faithful", "fast", "compact"])("gives a session's bits: %s", async (preset) => {
    const { bytes } = await quantize(readFileSync(MODEL), { preset });
    const x = new Tensor("float32", noise(2 * 28 * 28, 5), [2, 1, 28, 28]);
    const session = await InferenceSession.create(bytes);
    const { logits } = await session.run({ image: x });
    await session.release();
    const made = await exportProgram(bytes, { image: x.dims });
    const { status, stdout } = run(made.image, new Uint8Array(x.data.buffer));
    expect(status).toBe(0);
    expect(new Uint8Array(stdout)).toEqual(new Uint8Array((logits!.data as Float32Array).buffer));
  });

  it("says what is wrong with an image", () => {
    const input = new Uint8Array(4 * 28 * 28);
    const changed = (word: ImageHeader, value: number): Uint8Array => {
      const copy = image.slice();
      new DataView(copy.buffer).setUint32(4 * word, value, true);
      return withDigest(copy);
    };
    const damaged = image.slice();
    damaged[image.length - 100]! ^= 1;
    // A step that points far outside of the block: the core is stopped there.
    const wild = image.slice();
    const words = new DataView(wild.buffer);
    words.setUint32(words.getUint32(4 * ImageHeader.program, true) + 32, 0xfffffff0, true);
    for (const [bytes, message] of [
      [new Uint8Array(4096), /no program image/],
      [changed(ImageHeader.version, 9), /another version of the core/],
      [changed(ImageHeader.programVersion, 1), /another version of the core/],
      [image.slice(0, 40), /cut short/],
      [image.slice(0, -64), /cut short/],
      [damaged, /damaged/],
      [withDigest(wild), /damaged/],
      [changed(ImageHeader.arenaBytes, 0xffffff00), /block is too small/],
    ] as const) {
      const { status, stderr } = run(bytes, input);
      expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(message) });
    }
    expect(run(image, input).status).toBe(0);
  });
});
