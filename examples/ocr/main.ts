/**
 * The main job (`npm start`): the three networks of PP-OCR, FP32 ONNX files, are quantized while they load, without calibration data, and read a
 * whole page (scan.png): where its lines are, which stand on their heads, what they say, in reading order. Then every preset reads the lines of
 * page.png. Results go to stdout, progress to stderr.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { InferenceSession } from "bitbasis";
import { parseDictionary } from "./ctc.ts";
import { drawBoxes } from "./draw.ts";
import { classifierPath, detectorPath, dictionaryPath, recognizerPath } from "./models.ts";
import { readPage } from "./page.ts";
import { readPicture } from "./picture.ts";
import { comparePresets } from "./presets.ts";

const here = new URL("../../../../examples/ocr/", import.meta.url);
const folder = new URL("../../../models/", import.meta.url);
await mkdir(folder, { recursive: true });

const loading = performance.now();
const [detector, classifier, recognizer] = await Promise.all(
  [detectorPath, classifierPath, recognizerPath].map((path) => InferenceSession.create(path)),
);
const dictionary = parseDictionary(await readFile(dictionaryPath, "utf8"));
const page = await readPicture(await readFile(new URL("scan.png", here)));
const reading = performance.now();
const reader = { detector: detector!, classifier: classifier!, recognizer: recognizer!, dictionary };
const lines = await readPage(reader, page);
const done = performance.now();
const picture = new URL("scan.boxes.png", folder);
await writeFile(picture, await drawBoxes(page, lines));
await Promise.all([detector!, classifier!, recognizer!].map((session) => session.release()));

console.log("PP-OCR's three networks, preset faithful, read examples/ocr/scan.png\n");
for (const [i, { text, upsideDown }] of lines.entries())
  console.log(`${String(i + 1).padStart(4)}  ${text}${upsideDown ? "   (upside down)" : ""}`);
const seconds = (from: number, to: number): string => `${((to - from) / 1000).toFixed(1)} s`;
console.log(
  `\n${lines.length} lines; loading and quantizing ${seconds(loading, reading)}, reading ${seconds(reading, done)}\n`,
);
await comparePresets(here, folder, new URL("../../../../bench/", import.meta.url));
console.log(`The page with the boxes of its lines: ${fileURLToPath(picture)}`);
