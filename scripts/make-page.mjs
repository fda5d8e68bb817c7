/**
 * Draws examples/ocr/page.png and writes its text to examples/ocr/page.txt. Both are committed; run this only to change the page:
 * `npx tsc -p tsconfig.tools.json && node scripts/make-page.mjs`. Every line has a band of its own across the page, with its own paper,
 * so that the projection in examples/ocr/lines.ts can tell the lines apart.
 */
import { writeFile } from "node:fs/promises";
import { createCanvas, ImageData } from "@napi-rs/canvas";
import { fontOf } from "../build/tools/test/ocr/fonts.js";
import { css, withNoise } from "../build/tools/test/ocr/render.js";
import { Random } from "../build/tools/test/support/random.js";

const WIDTH = 900;
const LEFT = 32;
/** Free rows above and below the letters, as a share of the font size. */
const PADDING = 0.35;
const WHITE = [255, 255, 255];

/** From top to bottom: text, font, size in pixels, ink and paper as RGB, greatest change of a channel by noise. */
const LINES = [
  { text: "The Quick Brown Fox", font: "Poster", size: 52, ink: [176, 36, 32], paper: WHITE },
  { text: "jumps over the lazy dog, 1234567890 times.", font: "Book Serif", size: 32, ink: [16, 16, 16], paper: WHITE },
  { text: "Pack my box with five dozen jugs", font: "Serif", size: 30, ink: [16, 16, 16], paper: [250, 244, 228] },
  { text: "Invoice No. 2024-0815", font: "Typewriter", size: 34, ink: [20, 20, 40], paper: [244, 240, 220], noise: 12 },
  { text: "3 x Coffee $4.50 = $13.50", font: "Mono", size: 28, ink: [60, 60, 60], paper: [236, 236, 236], noise: 8 },
  { text: "www.example.org/docs/index.html", font: "Sans", size: 26, ink: [24, 60, 170], paper: WHITE },
  { text: "hello.world@example.com", font: "Sans Condensed", size: 36, ink: [255, 255, 255], paper: [24, 60, 130] },
  { text: "const answer = 6 * 7;", font: "Mono", size: 30, ink: [150, 230, 150], paper: [24, 28, 34] },
  { text: "Meet me at noon by the old bridge", font: "Hand", size: 38, ink: [40, 50, 140], paper: [255, 252, 236] },
  { text: "SALE: 50% off everything!", font: "Sans Bold", size: 44, ink: [255, 255, 255], paper: [196, 44, 40] },
  {
    text: "She sells sea shells by the shore",
    font: "Book Italic",
    size: 32,
    ink: [70, 40, 20],
    paper: [246, 236, 222],
  },
  {
    text: "Platform 9, departs at 18:45",
    font: "Sans Bold",
    size: 28,
    ink: [250, 196, 60],
    paper: [20, 20, 22],
    noise: 6,
  },
  { text: "+49 30 901820 (24 h)", font: "Serif Bold", size: 34, ink: [20, 84, 60], paper: [232, 244, 236] },
  {
    text: "Figure 3: accuracy against bits per weight",
    font: "Serif Italic",
    size: 24,
    ink: [90, 90, 90],
    paper: WHITE,
  },
  { text: "你好世界，今天天气很好", font: "Chinese", size: 40, ink: [30, 30, 30], paper: [252, 250, 246] },
  {
    text: "How vexingly quick daft zebras jump",
    font: "Book Bold",
    size: 32,
    ink: [92, 20, 88],
    paper: [250, 240, 250],
  },
];

const bands = [];
let height = 0;
for (const line of LINES) {
  const probe = createCanvas(1, 1).getContext("2d");
  probe.font = fontOf(line.font, line.size);
  const { actualBoundingBoxAscent: ascent, actualBoundingBoxDescent: descent, width } = probe.measureText(line.text);
  if (width > WIDTH - 2 * LEFT) throw new RangeError(`the line "${line.text}" is ${Math.ceil(width)} pixels wide`);
  const padding = Math.round(line.size * PADDING);
  const rows = Math.ceil(ascent) + Math.ceil(descent) + 2 * padding;
  bands.push({ ...line, top: height, rows, baseline: height + padding + Math.ceil(ascent) });
  height += rows;
}

const random = new Random(2024);
const canvas = createCanvas(WIDTH, height);
const context = canvas.getContext("2d");
for (const { text, font, size, ink, paper, noise, top, rows, baseline } of bands) {
  context.fillStyle = css(paper);
  context.fillRect(0, top, WIDTH, rows);
  context.font = fontOf(font, size);
  context.fillStyle = css(ink);
  context.fillText(text, LEFT, baseline);
  if (noise) {
    const band = createCanvas(WIDTH, rows);
    band.getContext("2d").drawImage(canvas, 0, top, WIDTH, rows, 0, 0, WIDTH, rows);
    const { data } = withNoise(band.getContext("2d"), WIDTH, rows, noise, random);
    context.putImageData(new ImageData(data, WIDTH, rows), 0, top);
  }
}
const folder = new URL("../examples/ocr/", import.meta.url);
await writeFile(new URL("page.png", folder), await canvas.encode("png"));
await writeFile(new URL("page.txt", folder), `${LINES.map((line) => line.text).join("\n")}\n`);
console.error(`examples/ocr/page.png: ${WIDTH}×${height}, ${LINES.length} lines`);
