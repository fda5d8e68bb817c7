import { checkBytes, encodeUtf8, wrongKind } from "../core/index.ts";
import { digestOfModel, type Model } from "../model/index.ts";
import { sha256 } from "../model/sha256.ts";
import type { Preset } from "../series/index.ts";
import type { Fed } from "../session/feeds.ts";
import type { InferenceSession } from "../session/session.ts";
import { digestOf } from "./digest.ts";
import { NUMERICS } from "./numerics.ts";
import { type Feeds, type Outputs, readInputs, readOutputs } from "./values.ts";

/** What a run was: whoever has the model and the inputs can run again and must get these outputs. Integers and texts only. */
export interface Receipt {
  /** Version of this form. */
  readonly receipt: 1;
  /** Version of the arithmetic; releases of one version give the same bits. */
  readonly numerics: number;
  /** Which network, quantized how. */
  readonly model: {
    /** The digest that the container carries in its header, which covers every bit of it; an ONNX source counts as the container that it yields. */
    readonly sha256: string;
    /** As JSON text. */
    readonly plan: string;
    /** Under which it was quantized, where that was one. */
    readonly preset?: Preset;
  };
  /** Weight terms in use, and of the whole series: which stage of a stream this was. */
  readonly terms: {
    /** In use when the run was made, ≥ 1. */
    readonly loaded: number;
    /** Of the whole series. */
    readonly total: number;
  };
  /** Digests by name. */
  readonly inputs: Readonly<Record<string, string>>;
  /** Digests by name, of the outputs that were fetched. */
  readonly outputs: Readonly<Record<string, string>>;
  /** Of the canonical JSON of all this; `onnx` is left out, so that an ONNX source and its container give the same. */
  readonly sha256: string;
  /** For information: SHA-256 of the ONNX file, without the files beside it. */
  readonly onnx?: string;
}

/**
 * The receipt of a run that has just been made: take it before `refine` adds a term, and before feeds or outputs are changed. A run with
 * `state` has none, unless its state is fed as tensors.
 *
 * @param outputs - all outputs of the run, or those that the receipt is for
 * @param onnx - the ONNX file that the session was made of, if its digest should stand beside
 * @throws TypeError or RangeError that names the feed or output; BitbasisError RELEASED after `release`, UNSUPPORTED for a model with constants of
 *   strings, which has no container
 * @example
 * const outputs = await session.run(feeds);
 * const proof = receiptText(await receipt(session, feeds, outputs));
 */
export async function receipt(
  session: InferenceSession,
  feeds: Feeds,
  outputs: Outputs,
  onnx?: Uint8Array,
): Promise<Receipt> {
  if (session?.origin === undefined) throw wrongKind("session", "an InferenceSession", session);
  if (onnx !== undefined) checkBytes("onnx", onnx);
  const [inputs, made] = [readInputs(session, feeds), readOutputs(outputs, session.outputNames)];
  if (made.size === 0) throw new RangeError('"outputs" expected at least one output');
  const { plan, preset } = session.origin.model;
  const stated: Omit<Receipt, "sha256" | "onnx"> = {
    inputs: digests(inputs),
    model: { plan: JSON.stringify(plan), ...(preset !== undefined && { preset }), sha256: modelDigest(session) },
    numerics: NUMERICS,
    outputs: digests(made),
    receipt: 1,
    terms: { ...session.terms },
  };
  return { ...stated, sha256: receiptDigest(stated), ...(onnx !== undefined && { onnx: sha256(onnx) }) };
}

/**
 * A receipt as canonical JSON: keys in order of UTF-16 code units, no white space.
 *
 * @example
 * await writeFile("receipt.json", receiptText(await receipt(session, feeds, outputs)));
 */
export function receiptText(receipt: Receipt): string {
  return canonical(receipt);
}

/** The digest of what a receipt states. */
export function receiptDigest(stated: Omit<Receipt, "sha256" | "onnx">): string {
  return sha256(encodeUtf8(canonical(stated)));
}

/** The digest of the container of a session's model. */
export function modelDigest(session: InferenceSession): string {
  const { container } = session.origin;
  if (typeof container === "string") return container;
  const digest = written.get(container) ?? digestOfModel(container);
  written.set(container, digest);
  return digest;
}

/** Writing and hashing a container takes longer than many a run; a session's model never changes. */
const written = new WeakMap<Model, string>();

function digests(values: ReadonlyMap<string, Fed>): Record<string, string> {
  return Object.fromEntries([...values].map(([name, value]) => [name, digestOf(value)]));
}

function canonical(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const pairs = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${pairs.map(([key, one]) => `${JSON.stringify(key)}:${canonical(one)}`).join(",")}}`;
}
