/**
 * Test lines from a seed: text, font, size, colours, slant of the baseline and noise are all drawn from one generator, so a labelled set
 * is as large as a test wants and needs no file. Line i of a seed is the same whatever the number of lines.
 */
import { createCanvas, type SKRSContext2D } from "@napi-rs/canvas";
import type { Picture } from "../../examples/ocr/picture.ts";
import { Random } from "../support/random.ts";
import { type FontName, fontOf, LATIN_FONTS } from "./fonts.ts";
import { WORDS } from "./words.ts";

export interface RenderedLine {
  readonly text: string;
  readonly font: FontName;
  /** Height of the letters' em box in pixels. */
  readonly size: number;
  readonly picture: Picture;
}

/** Colours as [r, g, b]. */
type Colour = readonly [number, number, number];

/** Ink and paper, dark on light and light on dark, all with a luminance difference of at least 90. */
const COLOURS: readonly (readonly [ink: Colour, paper: Colour])[] = [
  [
    [0, 0, 0],
    [255, 255, 255],
  ],
  [
    [20, 20, 20],
    [250, 245, 230],
  ],
  [
    [30, 40, 90],
    [240, 244, 250],
  ],
  [
    [110, 20, 30],
    [255, 248, 240],
  ],
  [
    [10, 70, 40],
    [232, 244, 232],
  ],
  [
    [90, 90, 90],
    [238, 238, 238],
  ],
  [
    [255, 255, 255],
    [24, 26, 30],
  ],
  [
    [250, 220, 120],
    [40, 30, 60],
  ],
  [
    [220, 240, 255],
    [20, 60, 120],
  ],
  [
    [255, 255, 255],
    [150, 40, 40],
  ],
];

/**
 * @param seed - any integer
 * @param count - number of lines
 * @example
 * for (const { text, picture } of renderLines(1, 200)) ...
 */
export function* renderLines(seed: number, count: number): Generator<RenderedLine> {
  for (let i = 0; i < count; i++) yield renderLine(new Random(Math.imul(seed, 1_000_003) + i));
}

/** One line; consumes a fresh generator. */
export function renderLine(random: Random): RenderedLine {
  const text = randomText(random);
  const font = random.pick(LATIN_FONTS);
  const size = random.integer(22, 44);
  const [ink, paper] = random.pick(COLOURS);
  const noise = random.integer(0, 3) === 0 ? random.integer(4, 14) : 0;
  const picture = drawLine(text, { font, size, ink, paper, noise, slope: random.uniform(-0.006, 0.006) }, random);
  return { text, font, size, picture };
}

export interface LineStyle {
  readonly font: FontName;
  readonly size: number;
  readonly ink: Colour;
  readonly paper: Colour;
  /** Greatest change of a channel by noise, 0…255. */
  readonly noise: number;
  /** Rise of the baseline per pixel. */
  readonly slope: number;
}

function drawLine(text: string, style: LineStyle, random: Random): Picture {
  const probe = createCanvas(1, 1).getContext("2d");
  probe.font = fontOf(style.font, style.size);
  const measured = probe.measureText(text);
  const border = Math.round(style.size * 0.2);
  const ascent = Math.ceil(measured.actualBoundingBoxAscent);
  const drift = Math.ceil(Math.abs(style.slope) * measured.width);
  const width = Math.ceil(measured.width) + 2 * border;
  const height = ascent + Math.ceil(measured.actualBoundingBoxDescent) + 2 * border + drift;
  const context = createCanvas(width, height).getContext("2d");
  context.fillStyle = css(style.paper);
  context.fillRect(0, 0, width, height);
  context.font = fontOf(style.font, style.size);
  context.fillStyle = css(style.ink);
  context.setTransform(1, style.slope, 0, 1, border, border + ascent + (style.slope < 0 ? drift : 0));
  context.fillText(text, 0, 0);
  return withNoise(context, width, height, style.noise, random);
}

/** The canvas's pixels, each channel moved by at most `amount`. */
export function withNoise(
  context: SKRSContext2D,
  width: number,
  height: number,
  amount: number,
  random: Random,
): Picture {
  const { data } = context.getImageData(0, 0, width, height);
  if (amount > 0) {
    for (let i = 0; i < data.length; i++) {
      if (i % 4 !== 3) data[i] = data[i]! + random.integer(-amount, amount);
    }
  }
  return { width, height, data };
}

export function css([r, g, b]: Colour): string {
  return `rgb(${r}, ${g}, ${b})`;
}

const capital = (word: string) => word[0]!.toUpperCase() + word.slice(1);

/** A short line of one of the kinds that documents are made of; printable ASCII only. */
export function randomText(random: Random): string {
  const word = () => random.pick(WORDS);
  const digits = (count: number) => Array.from({ length: count }, () => random.integer(0, 9)).join("");
  const two = (low: number, high: number) => String(random.integer(low, high)).padStart(2, "0");
  const kinds: readonly (() => string)[] = [
    () => `${capital(word())} ${word()} ${word()} ${word()}`,
    () => `${capital(word())} ${word()}, ${word()} ${word()}.`,
    () => `${word()} ${word()} ${word()}`,
    () => `${capital(word())} ${capital(word())}`,
    () => `${word().toUpperCase()} ${random.integer(1, 99)}`,
    () => `${capital(word())} ${word()} $${random.integer(1, 999)}.${digits(2)}`,
    () => `No. ${digits(4)}-${digits(3)}`,
    () => `${random.integer(1990, 2039)}-${two(1, 12)}-${two(1, 28)} ${two(0, 23)}:${two(0, 59)}`,
    () => `+${random.integer(1, 99)} ${digits(3)} ${digits(3)} ${digits(4)}`,
    () => `${word()}.${word()}@${word()}.com`,
    () => `www.${word()}-${word()}.org`,
    () => `${random.integer(2, 98)} % ${word()} (${word()})`,
    () => `Where is the ${word()} ${word()}?`,
    () => `${capital(word())}: ${random.integer(10, 9999)} ${word()}`,
  ];
  return random.pick(kinds)();
}
