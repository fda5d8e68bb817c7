import { lineChart } from "../chart.ts";
import { el, figure, kilobytes } from "../dom.ts";
import type { Answer, Quantized } from "./network.ts";

interface About {
  readonly name: string;
  readonly labels?: readonly string[];
  /** What the picture is. */
  readonly truth?: string;
}

/** Rows of the table of scores. */
const SHOWN = 10;

/** Everything that is known of a quantized network. */
export function results(answer: Quantized, about: About): HTMLElement[] {
  const { bytesBefore, bytesAfter, times, answers, layers } = answer;
  const last = answers.at(-1)!;
  return [
    el(
      "div",
      { class: "cards" },
      card(
        kilobytes(bytesAfter),
        `container, ${figure(bytesBefore / bytesAfter)} times smaller than ${kilobytes(bytesBefore)} of ONNX`,
      ),
      card(figure(last.difference), `largest difference to float32, relative, in "${answer.output}"`),
      card(`${figure(times.quantized)} ms`, `a run, median of ${times.runs}; float32 here ${figure(times.float32)} ms`),
      card(String(last.terms), last.terms === 1 ? "term" : "terms, each usable as it arrives"),
    ),
    el(
      "div",
      { class: "columns" },
      el("section", {}, el("h2", {}, "The output sharpens term by term"), ...sharpening(answer, about)),
      el("section", {}, el("h2", {}, "Error of the weights, layer by layer"), layerTable(layers)),
    ),
    save(answer, about.name),
  ];
}

function card(value: string, what: string): HTMLElement {
  return el("div", { class: "card" }, el("b", {}, value), el("span", {}, what));
}

function sharpening({ answers, dims }: Quantized, { labels, truth }: About): HTMLElement[] {
  const plane = dims.length === 4 && dims[2]! >= 8 && dims[3]! >= 8;
  const series = answers.filter(({ terms }) => terms > 0).map(({ terms, difference }) => [terms, difference] as const);
  const chart = el(
    "figure",
    {},
    lineChart([{ name: "difference to float32", points: series }], { x: "terms", y: "relative difference", log: 10 }),
    el("figcaption", {}, "Largest difference of the first output to float32's, relative to its largest value."),
  );
  return [
    plane ? pictures(answers, dims) : scores(answers, dims, labels, truth),
    ...(series.length > 1 ? [chart] : []),
  ];
}

/** The largest scores of the first vector, with a column per number of terms. */
function scores(
  answers: readonly Answer[],
  dims: readonly number[],
  labels?: readonly string[],
  truth?: string,
): HTMLElement {
  const width = dims.at(-1) ?? 1;
  const columns = answers.map(({ data }) => (labels ? softmax(data.subarray(0, width)) : data.subarray(0, width)));
  const reference = columns[0]!;
  const rows = Array.from(reference.keys())
    .sort((a, b) => reference[b]! - reference[a]!)
    .slice(0, SHOWN);
  const most = columns.reduce(
    (all, column) => rows.reduce((best, row) => Math.max(best, Math.abs(column[row]!)), all),
    0,
  );
  const order = [...answers.keys()].slice(1).concat(0);
  const head = order.map((i) =>
    el(
      "th",
      { scope: "col" },
      answers[i]!.terms === 0 ? "float32" : `${answers[i]!.terms} term${answers[i]!.terms > 1 ? "s" : ""}`,
    ),
  );
  const body = rows.map((row) =>
    el(
      "tr",
      {},
      el("th", { scope: "row" }, labels?.[row] ?? String(row)),
      ...order.map((i) => {
        const value = columns[i]![row]!;
        const share = most > 0 ? (100 * Math.abs(value)) / most : 0;
        return el(
          "td",
          { class: "bar", style: `--share:${share.toFixed(1)}%` },
          labels ? `${(100 * value).toFixed(1)} %` : figure(value),
        );
      }),
    ),
  );
  const caption = truth === undefined ? `The ${rows.length} largest of ${width} values.` : `Labelled "${truth}".`;
  return el(
    "div",
    { class: "scroll" },
    el("table", {}, el("thead", {}, el("tr", {}, el("th", {}, ""), ...head)), el("tbody", {}, ...body)),
    el("p", { class: "note" }, caption),
  );
}

function softmax(values: Float32Array): Float32Array {
  const most = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = values.map((value) => Math.exp(value - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

/** First channel of an output that is a picture, for each number of terms. */
function pictures(answers: readonly Answer[], dims: readonly number[]): HTMLElement {
  const [height, width] = [dims[2]!, dims[3]!];
  const [least, most] = answers[0]!.data.reduce(
    ([a, b], value) => [Math.min(a, value), Math.max(b, value)],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
  return el(
    "div",
    { class: "cards" },
    ...answers
      .slice(1)
      .concat(answers[0]!)
      .map(({ terms, data }) => {
        const canvas = el("canvas", { class: "picture", width, height });
        const context = canvas.getContext("2d")!;
        const image = context.createImageData(width, height);
        for (let i = 0; i < Math.min(width * height, data.length); i++) {
          const grey = (255 * (data[i]! - least)) / (most - least || 1);
          image.data.set([grey, grey, grey, 255], 4 * i);
        }
        context.putImageData(image, 0, 0);
        return el("figure", {}, canvas, el("figcaption", {}, terms === 0 ? "float32" : `${terms} terms`));
      }),
  );
}

function layerTable(layers: Quantized["layers"]): HTMLElement {
  const largest = layers.reduce((most, { relativeError }) => Math.max(most, relativeError), 0);
  const rows = layers.map(({ name, op, plan, relativeError, bytesAfter, reason }) => {
    const bits = plan.weightBits ?? plan.bits * plan.weightTerms;
    const share = largest > 0 ? (100 * relativeError) / largest : 0;
    return el(
      "tr",
      { title: reason },
      el("th", { scope: "row" }, name.length > 34 ? `…${name.slice(-33)}` : name),
      el("td", {}, op),
      el("td", {}, bits === 0 ? "float32" : `${bits} bit`),
      el("td", { class: "bar", style: `--share:${share.toFixed(1)}%` }, figure(relativeError)),
      el("td", {}, kilobytes(bytesAfter)),
    );
  });
  const head = ["Layer", "Operator", "Weights", "Relative error", "Bytes"].map((text) =>
    el("th", { scope: "col" }, text),
  );
  return el(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": "Layers" },
    el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
  );
}

/** The container as a file. */
function save({ container }: Quantized, name: string): HTMLElement {
  const file = new Blob([container as BlobPart], { type: "application/octet-stream" });
  return el(
    "p",
    {},
    el(
      "a",
      { href: URL.createObjectURL(file), download: `${name.replace(/\.onnx$/, "")}.safetensors` },
      "Save the container",
    ),
    ` and run it with InferenceSession.create("…safetensors").`,
  );
}
