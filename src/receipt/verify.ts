import { BitbasisError, checkOptions } from "../core/index.ts";
import type { Plan } from "../series/index.ts";
import type { SessionOptions } from "../session/options.ts";
import { InferenceSession } from "../session/session.ts";
import { type Difference, firstDifference } from "./difference.ts";
import { digestOf } from "./digest.ts";
import { NUMERICS } from "./numerics.ts";
import { parseReceipt } from "./parse.ts";
import { modelDigest, type Receipt } from "./receipt.ts";
import { type Feeds, type Outputs, readInputs, readOutputs } from "./values.ts";

/** What can be opened more than once: a URL or path, a Blob or bytes. */
export type VerifySource = string | URL | Blob | ArrayBufferLike | Uint8Array;

/** How the model is opened; what decides its bits stands in the receipt. */
export type VerifyOptions = Pick<
  SessionOptions,
  "build" | "externalData" | "limits" | "onProgress" | "signal" | "wasm"
>;

/** What `verify` found. */
export interface Verification {
  /** Every output has the bits that the receipt states. */
  readonly ok: boolean;
  /** The first output, by name, that is not what the receipt or the claimed outputs say; index and values where these were given. */
  readonly differs?: {
    /** Its name. */
    readonly output: string;
  } & Partial<Difference>;
}

/**
 * Runs again what a receipt states and compares.
 *
 * @param receipt - a receipt, parsed or as text
 * @param model - the container, or the ONNX file, which is quantized by the receipt's plan
 * @param feeds - the inputs of the run
 * @param outputs - the outputs that were claimed, if they are to be compared element by element
 * @throws BitbasisError RECEIPT for a damaged receipt, or one of another model or other inputs, UNSUPPORTED for one of another numerics version;
 *   else as `InferenceSession.create` and `run`
 * @example
 * const { ok, differs } = await verify(text, container, feeds, { logits });
 * if (!ok) console.log(differs); // { output: "logits", index: 3, expected: 0.25, got: 0.5 }
 */
export async function verify(
  receipt: Receipt | string,
  model: VerifySource,
  feeds: Feeds,
  outputs?: Outputs,
  options: VerifyOptions = {},
): Promise<Verification> {
  checkOptions(options);
  const read = parseReceipt(receipt);
  const session = await openReceipt(read, model, options);
  try {
    return await runAgain(session, read, feeds, outputs, options.signal);
  } finally {
    await session.release();
  }
}

/** The session that a receipt states. */
export async function openReceipt(
  receipt: Receipt,
  model: VerifySource,
  options: VerifyOptions = {},
): Promise<InferenceSession> {
  const { numerics, terms, model: stated } = receipt;
  if (numerics !== NUMERICS) {
    throw new BitbasisError(
      "UNSUPPORTED",
      `the receipt was made under numerics version ${numerics}, this release computes under ${NUMERICS}: verify it with one of version ${numerics}`,
    );
  }
  const { preset } = stated;
  const plan = JSON.parse(stated.plan) as Plan;
  // A container has its plan. Of an ONNX file, a preset may have stood alone, beside a plan, or have been measured: the digest says which.
  const ways = preset === undefined ? [{ plan }] : [{ preset }, { preset, plan }, { preset, check: true }];
  let got = "";
  for (const way of ways) {
    let session: InferenceSession;
    try {
      session = await InferenceSession.create(model, {
        ...options,
        ...way,
        ...(terms.loaded > 0 && { terms: terms.loaded }),
      });
    } catch (cause) {
      // The plan names layers that this network does not have.
      if (!(cause instanceof RangeError && cause.message.startsWith('"plan'))) throw cause;
      throw otherModel(stated.sha256, "one that its plan does not fit", cause);
    }
    const digest = modelDigest(session);
    if (digest === stated.sha256) return session;
    const isContainer = typeof session.origin.container === "string";
    await session.release();
    if (isContainer) throw otherModel(stated.sha256, digest);
    got = `${digest} of the container that this ONNX file yields`;
  }
  throw otherModel(stated.sha256, got);
}

/** Feeds the session as the receipt states and compares. */
export async function runAgain(
  session: InferenceSession,
  receipt: Receipt,
  feeds: Feeds,
  outputs?: Outputs,
  signal?: AbortSignal,
): Promise<Verification> {
  const names = Object.keys(receipt.outputs).sort();
  const missing = names.find((name) => !session.outputNames.includes(name));
  if (missing !== undefined) throw other(`of an output "${missing}", which the model does not have`);
  const claimed = outputs === undefined ? new Map() : readOutputs(outputs, names);
  for (const [name, value] of readInputs(session, feeds)) {
    const [expected, got] = [Object.hasOwn(receipt.inputs, name) ? receipt.inputs[name] : "nothing", digestOf(value)];
    if (expected !== got) throw other(`of another input "${name}": expected ${expected}, got ${got}`);
  }
  const made = readOutputs(await session.run(feeds, names, signal === undefined ? {} : { signal }), names);
  for (const name of names) {
    const differs = claimed.has(name) ? firstDifference(name, made.get(name), claimed.get(name)) : undefined;
    if (differs !== undefined) return { ok: false, differs };
    if (digestOf(made.get(name)) !== receipt.outputs[name]) return { ok: false, differs: { output: name } };
  }
  return { ok: true };
}

function otherModel(expected: string, got: string, cause?: unknown): BitbasisError {
  return other(`of another model: expected ${expected}, got ${got}`, cause);
}

function other(what: string, cause?: unknown): BitbasisError {
  return new BitbasisError("RECEIPT", `the receipt is ${what}`, cause === undefined ? {} : { cause });
}
