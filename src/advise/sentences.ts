import { activationWidth, isFloat, weightWidth } from "../series/index.ts";
import type { Advice, LayerAdvice } from "./advice.ts";

type About = Omit<Advice, "summary" | "answers">;

/** Part of the layers that "suffice" speaks of. */
const MOST = 0.75;
/** Names that a sentence lists. */
const LISTED = 3;

/** How many bits suffice for how many layers, what needs more, and what that comes to. */
export function summary(advice: About): string {
  const weighted = advice.layers.filter(({ shape }) => shape !== undefined);
  const widths = weighted.map(bitsOf).sort((a, b) => a - b);
  const base = widths[Math.ceil(MOST * widths.length) - 1] ?? 0;
  const more = weighted.filter((layer) => bitsOf(layer) > base);
  const [floats, wide] = [more.filter(({ plan }) => isFloat(plan)), more.filter(({ plan }) => !isFloat(plan))];
  const few = widths.filter((bits) => bits <= base).length;
  const heads = advice.layers.reduce((sum, { heads: own = [] }) => sum + own.length, 0);
  const parts = [
    base === 32
      ? `float32 is needed for ${few} of ${weighted.length} layers`
      : `${base} bits suffice for ${few} of ${weighted.length} layers`,
    wide.length > 0 ? `${list(wide, ({ name, plan }) => `${name} (${weightWidth(plan)})`)} need more` : "",
    floats.length > 0 ? `${list(floats, ({ name }) => name)} stay${floats.length === 1 ? "s" : ""} in float32` : "",
    heads > 0 ? `${heads} attention ${heads === 1 ? "head wants" : "heads want"} wider activations than that` : "",
  ];
  return `${parts.filter((part) => part !== "").join("; ")}. ${reached(advice)}`;
}

function reached({ target, measured, bytes, uniform }: About): string {
  if (measured === undefined) return `${bytes} bytes; nothing was measured, the bits follow from the weights alone.`;
  const agreement = measured.agreement === undefined ? "" : `, agreement ${percent(measured.agreement)}`;
  const even =
    uniform === undefined
      ? "no plan with the same bits everywhere reaches that"
      : "bytes" in target
        ? `the same ${uniform.bits} bits everywhere: error ${figure(uniform.error)} in ${uniform.bytes}`
        : `the same ${uniform.bits} bits everywhere take ${uniform.bytes}`;
  return `Measured on ${measured.inputs}: error ${figure(measured.error)}${agreement}, ${bytes} bytes; ${even}.`;
}

/** What an expert asks next. */
export function answers(advice: About): { question: string; answer: string }[] {
  return [
    { question: "Which layer first?", answer: first(advice) },
    { question: "Weights only?", answer: weightsOnly(advice) },
    ...(advice.attention === undefined ? [] : [{ question: "And the key-value cache?", answer: cache(advice) }]),
    { question: "Does the regime predict my accuracy?", answer: regime(advice) },
  ];
}

/** Layers whose error would fall most for the bytes that a bit costs. */
function first({ layers, measured }: About): string {
  if (measured === undefined) return "Not known: the network was not run.";
  const byNeed = layers
    .flatMap((layer) => (layer.errors[0] === undefined ? [] : [{ layer, error: layer.errors[0].error }]))
    .sort((a, b) => b.error - a.error)
    .slice(0, LISTED);
  const named = byNeed.map(({ layer, error }) => `${layer.name} (${figure(error)})`);
  return `Alone at 4 bits, these move the outputs most: ${named.join(", ")}. Largest part of the plan's squared error: ${largestShare(layers)}.`;
}

function largestShare(layers: readonly LayerAdvice[]): string {
  const most = layers.reduce<LayerAdvice | undefined>(
    (a, b) => (a !== undefined && a.share >= b.share ? a : b),
    undefined,
  );
  return most === undefined ? "none" : `${most.name} (${percent(most.share)})`;
}

function weightsOnly({ weightsOnly: alone, measured, layers }: About): string {
  if (alone === undefined || measured === undefined) return "Not known: the network was not run.";
  const wide = layers.filter(({ plan }) => activationWidth(plan) > 8).length;
  return (
    `With activations in float32 the plan's error is ${figure(alone.error)} instead of ${figure(measured.error)}; ` +
    `${wide} of ${layers.length} layers have activations of more than 8 bits. Bytes are the same: activations have none in the file.`
  );
}

function cache({ attention }: About): string {
  if (typeof attention !== "object") return `Not known: ${attention}.`;
  const heads = attention.blocks.flatMap((block) => block.heads);
  const widest = (bits: readonly (number | undefined)[]): string =>
    bits.some((one) => one === undefined) ? "more than 16" : String(Math.max(...bits.map((one) => one!)));
  if (heads.length === 0) return "No head had two tokens to tell apart.";
  const caveat = attention.generated ? " The inputs were made up: real ones need 2 to 3 bits more." : "";
  return (
    `Keys of ${widest(heads.map(({ safeBits }) => safeBits))} bits keep all different tokens apart in ${heads.length} heads, ` +
    `${widest(heads.map(({ agreementBits }) => agreementBits))} bits 99 % of the preferences.${caveat}`
  );
}

function regime({ regime: about }: About): string {
  if (typeof about === "string") return `No, and here it does not apply: ${about}.`;
  return (
    `No. The class of all networks of this shape is starved below ${about.bitsUnder} bits and cannot gain beyond ${about.bitsOver}; ` +
    `that bounds the best of them, not yours, with one scale for all weights (docs/how-many-bits.md has the figures).`
  );
}

function bitsOf({ plan }: LayerAdvice): number {
  return isFloat(plan) ? 32 : weightWidth(plan);
}

function list(layers: readonly LayerAdvice[], text: (layer: LayerAdvice) => string): string {
  const sorted = [...layers].sort((a, b) => bitsOf(b) - bitsOf(a));
  const rest = sorted.length - LISTED;
  return `${sorted.slice(0, LISTED).map(text).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

function figure(value: number): string {
  return value === 0 ? "0" : value.toExponential(1);
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
