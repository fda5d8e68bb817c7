import { BitbasisError } from "../core/index.ts";
import { isContainer, writeModel } from "../model/index.ts";
import type { SessionOptions } from "../session/options.ts";
import { InferenceSession } from "../session/session.ts";
import type { PoolModel } from "./messages.ts";

/**
 * A model for `Pool.open`: an ONNX source is quantized here, once, and each worker opens the container that it yields. The bytes are kept, so that a file that is
 * replaced under way does not give two workers two models.
 *
 * @throws as `InferenceSession.create`
 */
export async function poolModel(
  key: string,
  source: Uint8Array,
  options: Pick<SessionOptions, "preset" | "terms" | "externalData" | "limits" | "onProgress"> = {},
): Promise<PoolModel> {
  const bytes = isContainer(source.subarray(0, 16)) ? source : await containerOf(source, options);
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  return { key, bytes: shared, terms: options.terms };
}

async function containerOf(source: Uint8Array, options: SessionOptions): Promise<Uint8Array> {
  const session = await InferenceSession.create(source, options);
  const { container } = session.origin;
  await session.release();
  try {
    return typeof container === "string" ? source : writeModel(container);
  } catch (error) {
    // Constants of strings have no place in a container: each worker opens the ONNX file.
    if (error instanceof BitbasisError && error.code === "UNSUPPORTED") return source;
    throw error;
  }
}
