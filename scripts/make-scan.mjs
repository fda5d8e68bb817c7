/**
 * Draws examples/ocr/scan.png, a whole page for the detector, and writes its text in reading order to examples/ocr/scan.txt: a headline, two
 * columns, a dark box, a slanted note, a line that stands on its head, a noisy corner. Both are committed; run this only to change the page:
 * `npx tsc -p tsconfig.tools.json && node scripts/make-scan.mjs`.
 */
import { writeFile } from "node:fs/promises";
import { createCanvas, ImageData } from "@napi-rs/canvas";
import { fontOf } from "../build/tools/test/ocr/fonts.js";
import { css, withNoise } from "../build/tools/test/ocr/render.js";
import { Random } from "../build/tools/test/support/random.js";

const [WIDTH, HEIGHT] = [900, 1160];
const INK = [28, 26, 24];
const PAPER = [250, 247, 240];

/** In reading order: text, font, size, left end of the baseline, ink; `turn` in degrees around that point. */
const LINES = [
  { text: "The Daily Lattice", font: "Book Bold", size: 62, x: 56, y: 96 },
  { text: "Numbers for everyone, every morning", font: "Book Italic", size: 26, x: 58, y: 142, ink: [110, 30, 30] },
  ...column("Book Serif", 24, 58, 230, 40, [
    "Four bits are enough for",
    "a first glance, the editors",
    "found on Tuesday. With a",
    "second term the picture is",
    "sharp, and the third one",
    "only settles bets between",
    "neighbours: 16 steps per",
    "term, each time again.",
  ]),
  { text: "Price list, May 2026", font: "Sans Bold", size: 25, x: 58, y: 612 },
  ...column("Typewriter", 24, 58, 662, 40, ["Bread, rye: 3.20", "Coffee, 250 g: 7.95", "Tea (green): 12.40"]),
  ...column("Sans", 23, 494, 230, 40, [
    "Weather: rain until noon,",
    "then sun, 17 to 21 degrees.",
    "Ferry to the islands leaves",
    "at 08:15, 11:45 and 18:30.",
  ]),
  ...column("Sans Condensed", 30, 520, 452, 48, ["Wanted: a quiet room", "with a north window"], [255, 240, 200]),
  { text: "Call 030 555 0147", font: "Mono", size: 26, x: 520, y: 548, ink: [255, 255, 255] },
  { text: "sold out!", font: "Hand", size: 54, x: 560, y: 742, ink: [190, 40, 40], turn: -9 },
  { text: "Answers to the riddle: 42", font: "Sans", size: 22, x: 836, y: 850, turn: 180 },
  { text: "Printed on recycled paper, page 1 of 1", font: "Serif Italic", size: 20, x: 250, y: 1100 },
];

function column(font, size, x, top, leading, texts, ink) {
  return texts.map((text, i) => ({ text, font, size, x, y: top + i * leading, ...(ink && { ink }) }));
}

const canvas = createCanvas(WIDTH, HEIGHT);
const context = canvas.getContext("2d");
context.fillStyle = css(PAPER);
context.fillRect(0, 0, WIDTH, HEIGHT);
context.fillStyle = css([60, 56, 50]);
context.fillRect(56, 168, WIDTH - 112, 3);
context.fillStyle = css([34, 62, 92]);
context.fillRect(494, 400, 350, 176);
// a picture, which is no text
const sky = context.createLinearGradient(0, 880, 0, 1040);
sky.addColorStop(0, css([150, 190, 225]));
sky.addColorStop(1, css([235, 225, 190]));
context.fillStyle = sky;
context.fillRect(58, 830, 360, 210);
context.fillStyle = css([70, 110, 80]);
context.save();
context.beginPath();
context.rect(58, 830, 360, 210);
context.clip();
context.beginPath();
context.ellipse(160, 1040, 150, 90, 0, Math.PI, 2 * Math.PI);
context.ellipse(330, 1040, 88, 60, 0, Math.PI, 2 * Math.PI);
context.fill();
context.restore();
for (const { text, font, size, x, y, ink = INK, turn = 0 } of LINES) {
  context.save();
  context.translate(x, y);
  context.rotate((turn * Math.PI) / 180);
  context.font = fontOf(font, size);
  context.fillStyle = css(ink);
  context.fillText(text, 0, 0);
  context.restore();
}
// noise in one corner only: a noisy page is a PNG of two megabytes
const [left, top, width, height] = [40, 576, 400, 190];
const corner = createCanvas(width, height);
corner.getContext("2d").drawImage(canvas, left, top, width, height, 0, 0, width, height);
const { data } = withNoise(corner.getContext("2d"), width, height, 6, new Random(2026));
context.putImageData(new ImageData(data, width, height), left, top);
const folder = new URL("../examples/ocr/", import.meta.url);
await writeFile(new URL("scan.png", folder), await canvas.encode("png"));
await writeFile(new URL("scan.txt", folder), `${LINES.map((line) => line.text).join("\n")}\n`);
console.error(`examples/ocr/scan.png: ${WIDTH}×${HEIGHT}, ${LINES.length} lines`);
