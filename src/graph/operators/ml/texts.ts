import {
  bytesIn,
  castData,
  type ElementType,
  holdsBits,
  kindOf,
  smallFloatValues,
  type TensorData,
} from "../../../tensor/index.ts";
import type { Call } from "../call.ts";
import { typeAttribute } from "../cast.ts";
import { inPieces, PIECE } from "../memo.ts";
import { ANY, type Operator, sameRank } from "../operator.ts";

/** Significant digits of a number as text, as onnxruntime writes them. */
const DIGITS = 8;

/**
 * A number as "%.8g" of C writes it: without zeros at its end, with an exponent below −4 and above 7. Between two texts that are as near it is the larger one, where C has the
 * even one: 1048576.25 is 1048576.3.
 */
function textOf(value: number): string {
  if (!Number.isFinite(value)) return `${value}`.replace("Infinity", "INF");
  const [digits, exponent] = value.toExponential(DIGITS - 1).split("e") as [string, string];
  const short = (text: string): string => (Object.is(value, -0) ? "-" : "") + text.replace(/\.?0+$/, "");
  const at = Number(exponent);
  if (at >= -4 && at < DIGITS) return short(`${value.toFixed(DIGITS - 1 - at)}`);
  return short(digits) + `e${exponent}`.replace(/^(e.)(.)$/, "$10$2");
}

function numberOf(text: string, call: Call): number {
  const number = Number(text.replace(/inf(inity)?$/i, "Infinity"));
  if (text === "" || (Number.isNaN(number) && !/^[+-]?nan$/i.test(text)))
    throw call.fail(`a text expected a number, got "${text.slice(0, 40)}"`);
  return number;
}

/** What is behind a point is left away. */
function integerOf(text: string, call: Call): bigint {
  if (/^[+-]?\d+$/.test(text)) return BigInt(text.replace("+", ""));
  const number = Math.trunc(numberOf(text, call));
  if (!Number.isFinite(number)) throw call.fail(`a text expected an integer, got "${text}"`);
  return BigInt(number);
}

function targetOf(call: Call): ElementType {
  return typeAttribute(call, "to", call.has(1) ? call.type(1) : undefined);
}

const changed = inPieces(function* (call): Generator<undefined, TensorData> {
  const { data, type } = call.constant(0)!;
  const to = targetOf(call);
  if (type === to) return data;
  const { length } = data;
  call.hold(bytesIn("string", length));
  const isFloat = kindOf((type === "string" ? to : type) as never) === "float";
  const written = type !== "string" && holdsBits(type) ? smallFloatValues(type, data as Uint16Array) : data;
  const made: { [i: number]: unknown } =
    to === "string" ? [] : isFloat ? new Float64Array(length) : new BigInt64Array(length);
  for (let i = 0; i < length; i++) {
    const one = written[i]!;
    if (typeof one === "string") made[i] = (isFloat ? numberOf : integerOf)(one.trim(), call);
    else made[i] = isFloat ? textOf(one as number) : `${one}`;
    if (i % (PIECE / 64) === 0) yield;
  }
  return to === "string" ? (made as string[]) : castData(made as never, isFloat ? "float64" : "int64", to)!;
});

export const texts = {
  /** A Cast or a CastLike of texts or to texts. */
  "bitbasis/CastText": {
    since: 1,
    inputs: "T U?",
    types: { T: ANY, U: ANY },
    attributes: { to: "int", saturate: "int", round_mode: "text" },
    rank: sameRank,
    shape: (call: Call) => [{ type: targetOf(call), shape: call.shape(0) }],
    evaluate: (call: Call) => [changed(call)],
    work: changed.pieces,
  },
} as const satisfies Readonly<Record<string, Operator>>;
