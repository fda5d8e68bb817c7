import { BitbasisError, isRecord } from "../core/index.ts";
import { checkPlan } from "../series/index.ts";
import { type Receipt, receiptDigest } from "./receipt.ts";

const DIGEST = /^[0-9a-f]{64}$/;

/**
 * Reads a receipt, as text or parsed.
 *
 * @throws BitbasisError RECEIPT for what is none, or a damaged one
 * @example
 * const { outputs } = parseReceipt(await readFile("receipt.json", "utf8"));
 */
export function parseReceipt(source: unknown): Receipt {
  const value = typeof source === "string" ? parseJson(source) : source;
  if (!isRecord(value) || !("receipt" in value)) throw wrong("expected the JSON of a receipt, got something else");
  if (value["receipt"] !== 1) {
    throw wrong(`expected a receipt of version 1, got ${JSON.stringify(value["receipt"])}: update bitbasis`);
  }
  const { receipt, numerics, model, terms, inputs, outputs, sha256, onnx, ...rest } = value;
  const [extra] = Object.keys(rest);
  if (extra !== undefined) throw damaged(`it has the field "${extra}"`);
  if (!isInteger(numerics, 1)) throw damaged('"numerics" expected an integer ≥ 1');
  if (!isRecord(model) || !isDigest(model["sha256"])) throw damaged('"model.sha256" expected a digest');
  const { preset } = model;
  if (preset !== undefined && !["float32", "faithful", "fast", "compact"].includes(String(preset))) {
    throw damaged('"model.preset" expected a preset');
  }
  try {
    checkPlan(JSON.parse(String(model["plan"])));
  } catch (cause) {
    throw damaged(`"model.plan" expected a plan as JSON text: ${(cause as Error).message}`, cause);
  }
  if (!isRecord(terms) || !isInteger(terms["total"], 0) || !isInteger(terms["loaded"], Math.min(terms["total"], 1))) {
    throw damaged('"terms" expected { loaded, total }');
  }
  if (terms["loaded"] > terms["total"]) throw damaged(`it has ${terms["loaded"]} of ${terms["total"]} terms`);
  for (const [name, values] of Object.entries({ inputs, outputs })) {
    if (!isRecord(values) || !Object.values(values).every(isDigest))
      throw damaged(`"${name}" expected digests by name`);
  }
  if (onnx !== undefined && !isDigest(onnx)) throw damaged('"onnx" expected a digest');
  const stated = { receipt, numerics, model, terms, inputs, outputs } as unknown as Receipt;
  if (sha256 !== receiptDigest(stated)) throw damaged("it does not match its digest");
  return value as unknown as Receipt;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw wrong("expected the JSON of a receipt, got no JSON", cause);
  }
}

function isInteger(value: unknown, least: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= least;
}

function isDigest(value: unknown): value is string {
  return typeof value === "string" && DIGEST.test(value);
}

function damaged(why: string, cause?: unknown): BitbasisError {
  return wrong(`the receipt is damaged: ${why}`, cause);
}

function wrong(message: string, cause?: unknown): BitbasisError {
  return new BitbasisError("RECEIPT", message, cause === undefined ? {} : { cause });
}
