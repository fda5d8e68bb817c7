// A network that sharpens while it downloads:
//
//   npx tsc -p tsconfig.tools.json && node build/tools/examples/progressive/main.js [--rate 50000] [--page]
//
// Serves a container of a Fashion-MNIST network at so many bytes a second and classifies 100 pictures at every term that arrives. Beside it
// the same bytes as plain bit slices, which is what ProgressiveNet (arXiv 2110.00916) sends: the first bits of every weight, then the next.
// --page serves examples/progressive/page.html instead and stays.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { inflateSync } from "node:zlib";
import { InferenceSession, type Plan, Tensor } from "../../src/entries/index.ts";
import { quantize } from "../../src/entries/quantize.ts";
import { serve } from "./serve.ts";
import { agreement, type Stage, watch } from "./watch.ts";

const ROOT = new URL(import.meta.url.includes("/build/tools/") ? "../../../../" : "../../", import.meta.url);
const { values: options } = parseArgs({
  options: { rate: { type: "string", default: "50000" }, page: { type: "boolean", default: false } },
});
const CLASSES = 10;
const COUNT = 100;

const read = (path: string): Buffer => readFileSync(new URL(path, ROOT));
const onnx = read("test/fixtures/models/fmnist_resnet.onnx");
const file = inflateSync(read("test/fixtures/fashion_mnist/pictures.bin"));
const pictures = Float32Array.from(file.subarray(200, 200 + COUNT * 784), (x) => (x / 255 - 0.286) / 0.353);
const feeds = { image: new Tensor("float32", pictures, [COUNT, 1, 28, 28]) };

const plan = (digits: "signed" | "mixed"): Plan => ({
  version: 1,
  default: { bits: 4, weightTerms: 3, activationTerms: 3, digits },
});
const { bytes } = await quantize(onnx, { plan: plan("signed") });
const rate = Number(options.rate);

if (options.page) {
  const files = {
    "/": { type: "text/html", body: read("examples/progressive/page.html") },
    "/bitbasis.js": { type: "text/javascript", body: read("dist/web/bitbasis.js") },
    "/pictures.json": { type: "application/json", body: JSON.stringify(Array.from(pictures.subarray(0, 784))) },
  };
  const served = await serve(bytes, { rate, files });
  console.log(`${new URL("/", served.url)}`);
} else {
  const session = await InferenceSession.create(onnx, { preset: "float32" });
  const reference = (await session.run(feeds))["logits"]!.data as Float32Array;
  const served = await serve(bytes, { rate });
  const slices = (await quantize(onnx, { plan: plan("mixed") })).bytes;
  console.log(`${bytes.length} bytes at ${rate} a second; float32 ONNX: ${onnx.length}`);
  console.log("terms    bytes       ms  agreement with float32  the same bytes as bit slices");
  const print = async ({ terms, bytes: sent, milliseconds, output }: Stage): Promise<void> => {
    const sliced = await InferenceSession.create(slices, { terms });
    const other = (await sliced.run(feeds))["logits"]!.data as Float32Array;
    const cells = [agreement(output, reference, CLASSES), agreement(other, reference, CLASSES)].map((a) =>
      a.toFixed(2),
    );
    console.log(
      `${terms}     ${String(sent).padStart(8)} ${milliseconds.toFixed(0).padStart(8)}  ${cells[0]!.padStart(22)}  ${cells[1]!.padStart(28)}`,
    );
  };
  for (const stage of await watch(served, feeds)) await print(stage);
  await served.close();
}
