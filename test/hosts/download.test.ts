// What a page loads by one script tag is bundled and minified: it answers as the sources do, for every operator that there is a graph of.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { InferenceSession, type SessionOptions, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { bundleDownload, importText } from "../support/download.ts";
import { randomGraph } from "../support/fuzz/random-graph.ts";
import { SEEDS } from "../support/fuzz/seeds.ts";

const download = (await importText(await bundleDownload("es"))) as {
  InferenceSession: typeof InferenceSession;
  Tensor: typeof Tensor;
};

type Feeds = Readonly<Record<string, Tensor>>;

/** The outputs as bytes or texts, or what was thrown. */
async function answer(Session: typeof InferenceSession, model: Uint8Array, feeds: Feeds, options: SessionOptions) {
  try {
    const session = await Session.create(model, options);
    const outputs = await session.run(feeds);
    await session.release();
    return Object.entries(outputs).map(([name, value]) => [name, (value as Tensor).dims, bits(value as Tensor)]);
  } catch (error) {
    return String(error);
  }
}

function bits({ data }: Tensor): unknown {
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : data;
}

const theirs = (feeds: Feeds): Feeds =>
  Object.fromEntries(
    Object.entries(feeds).map(([name, t]) => [
      name,
      new download.Tensor(t.type as "float32", t.data as Float32Array, t.dims),
    ]),
  );

async function check(model: Uint8Array, feeds: Feeds, options: SessionOptions = {}): Promise<void> {
  expect(await answer(download.InferenceSession, model, theirs(feeds), options)).toEqual(
    await answer(InferenceSession, model, feeds, options),
  );
}

describe("dist/web/bitbasis.js", () => {
  it.each(SEEDS.map(({ graph, feeds }, i) => [i, graph.name, graph, feeds] as const))(
    "graph %i: %s",
    (_, __, graph, feeds) => check(writeOnnx(graph), feeds),
  );

  it("answers 150 random graphs", async () => {
    for (let seed = 0; seed < 150; seed++) {
      const { graph, feeds } = randomGraph(seed);
      await check(writeOnnx(graph), feeds);
    }
  });

  it.each(["float32", "faithful", "fast", "compact"] as const)("a network with the preset %s", async (preset) => {
    const model = readFileSync(new URL("../fixtures/models/fmnist_mobilenet.onnx", import.meta.url));
    const image = Float32Array.from({ length: 784 }, (_, i) => (i % 29) / 29);
    await check(model, { image: new Tensor("float32", image, [1, 1, 28, 28]) }, { preset });
  });
});
