/**
 * What each preset costs and keeps: PP-OCRv4's recogniser, an FP32 ONNX file of 10.8 MB, is quantized with every preset, without calibration
 * data, stored, opened again, and reads the lines of page.png.
 */
import { readFile, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import { InferenceSession } from "bitbasis";
import { quantize } from "bitbasis/quantize";
import { cosine, maxDifference, median } from "./compare.ts";
import { parseDictionary } from "./ctc.ts";
import { splitLines } from "./lines.ts";
import { dictionaryPath, recognizerPath } from "./models.ts";
import { type Picture, readPicture } from "./picture.ts";
import { type Reading, readLine } from "./recognizer.ts";
import { rivalTimes } from "./rival.ts";

const PRESETS = ["float32", "faithful", "fast", "compact"] as const;
type Preset = (typeof PRESETS)[number];

/** So many lines are read a second time, and timed then. */
const TIMED = 6;

interface Result {
  readonly preset: Preset;
  readonly bytes: number;
  readonly readings: readonly Reading[];
  /** Median time of the lines that are read again. */
  readonly milliseconds: number;
}

/** Quantizes the recogniser by the preset's structural plan, as loading the ONNX file with that preset does, stores it, opens the stored file and reads all lines with it. */
async function readWith(preset: Preset, onnx: Uint8Array, lines: readonly Picture[], folder: URL): Promise<Result> {
  const dictionary = parseDictionary(await readFile(dictionaryPath, "utf8"));
  const file = new URL(`recogniser.${preset}.safetensors`, folder);
  const { bytes } = await quantize(onnx, {
    preset,
    check: false,
    onProgress: ({ loaded, total }) => note(`${preset}: quantizing ${Math.round((100 * loaded) / total)} %`),
  });
  await writeFile(file, bytes);
  const session = await InferenceSession.create(file);
  const readings: Reading[] = [];
  const times: number[] = [];
  for (const [i, line] of lines.entries()) {
    note(`${preset}: line ${i + 1} of ${lines.length}`);
    readings.push(await readLine(session, line, dictionary));
  }
  for (const line of lines.slice(0, TIMED)) times.push((await readLine(session, line, dictionary)).milliseconds);
  await session.release();
  note("");
  return { preset, bytes: bytes.length, readings, milliseconds: median(times) };
}

/** One line of progress, overwritten by the next; nothing when stderr is piped. */
function note(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
}

const withoutSpaces = (text: string): string => text.replaceAll(" ", "");

/** All lines as float32 reads them; of the other presets those that are not as written. */
function printReadings(expected: readonly string[], results: readonly Result[]): void {
  for (const [at, { preset, readings }] of results.entries()) {
    console.log(`\n${preset}`);
    let same = 0;
    for (const [i, { text, margin }] of readings.entries()) {
      const wanted = expected[i]!;
      const verdict = text === wanted ? "=" : withoutSpaces(text) === withoutSpaces(wanted) ? "~" : "x";
      if (verdict === "=" && at > 0) same++;
      else {
        const but = verdict === "x" ? `   (expected: ${wanted}; least class margin ${margin.toFixed(3)})` : "";
        console.log(`  ${verdict} ${text}${but}`);
      }
    }
    if (same > 0) console.log(`  = ${same} lines as written`);
  }
  console.log("\n= exact   ~ but for spaces   x different");
}

function printSummary(
  expected: readonly string[],
  results: readonly Result[],
  onnxBytes: number,
  rival: readonly number[] | undefined,
): void {
  const reference = results[0]!;
  const header = [
    "preset",
    "exact",
    "but for spaces",
    "as float32",
    "size",
    "of ONNX",
    "ms/line",
    "least cosine",
    "max|a-b|/max|b|",
  ];
  const rows = results.map(({ preset, bytes, readings, milliseconds }) => {
    const count = (same: (reading: Reading, i: number) => boolean): string =>
      `${readings.filter(same).length}/${readings.length}`;
    const differences = readings.map(({ probabilities }, i) => {
      const other = reference.readings[i]!.probabilities;
      return { cosine: cosine(probabilities, other), difference: maxDifference(probabilities, other) };
    });
    return [
      preset,
      count((r, i) => r.text === expected[i]),
      count((r, i) => withoutSpaces(r.text) === withoutSpaces(expected[i]!)),
      count((r, i) => r.text === reference.readings[i]!.text),
      `${(bytes / 1e6).toFixed(2)} MB`,
      `${((100 * bytes) / onnxBytes).toFixed(1)} %`,
      milliseconds.toFixed(1),
      Math.min(...differences.map((d) => d.cosine)).toFixed(6),
      Math.max(...differences.map((d) => d.difference)).toExponential(1),
    ];
  });
  const widths = header.map((h, c) => Math.max(h.length, ...rows.map((row) => row[c]!.length)));
  const print = (row: readonly string[]): void =>
    console.log(row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join("  "));
  console.log();
  print(header);
  for (const row of rows) print(row);
  const speed =
    rival === undefined
      ? "it is not installed (cd bench && npm ci --ignore-scripts)"
      : `${median(rival).toFixed(1)} ms/line, one thread`;
  console.log(`\nonnxruntime-web FP32: ${speed}; CPU: ${cpus()[0]?.model.trim() ?? "unknown"}`);
}

/** Reads page.png in `here` with every preset; containers are written into `folder`. `bench` is where the rival may be installed. */
export async function comparePresets(here: URL, folder: URL, bench: URL): Promise<void> {
  const onnx = await readFile(recognizerPath);
  const lines = splitLines(await readPicture(await readFile(new URL("page.png", here))));
  const expected = (await readFile(new URL("page.txt", here), "utf8")).trimEnd().split("\n");
  if (lines.length !== expected.length)
    throw new Error(`page.png has ${lines.length} lines, page.txt ${expected.length}`);
  console.log(
    `PP-OCRv4 recogniser, ${(onnx.length / 1e6).toFixed(2)} MB of FP32 ONNX, reads ${lines.length} lines of examples/ocr/page.png`,
  );
  const results: Result[] = [];
  for (const preset of PRESETS) results.push(await readWith(preset, onnx, lines, folder));
  const rival = await rivalTimes(onnx, lines.slice(0, TIMED), bench);
  printReadings(expected, results);
  printSummary(expected, results, onnx.length, rival);
}
