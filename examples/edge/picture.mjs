// What the three handlers have in common: a picture in, the class and its score out.
import { Tensor } from "bitbasis";

export const PIXELS = 28 * 28;

/** A request's body, 28 × 28 float32 in little-endian, as the network's input; undefined for any other body. */
export async function pictureOf(request) {
  const body = await request.arrayBuffer();
  return body.byteLength === 4 * PIXELS ? new Tensor("float32", new Float32Array(body), [1, 1, 28, 28]) : undefined;
}

/** { label, score } of ten logits, as JSON. */
export function answerOf(logits) {
  const label = logits.indexOf(Math.max(...logits));
  return JSON.stringify({ label, score: logits[label] });
}

export const EXPECTED = `expected ${4 * PIXELS} bytes: ${PIXELS} float32`;
