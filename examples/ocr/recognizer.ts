import { type InferenceSession, Tensor } from "bitbasis";
import { type Decoded, decode } from "./ctc.ts";
import type { Picture } from "./picture.ts";
import { prepareLine } from "./prepare.ts";

export interface Reading extends Decoded {
  /** columns × classes, as the network gave them. */
  readonly probabilities: Float32Array;
  /** Of the network alone, in milliseconds. */
  readonly milliseconds: number;
}

/**
 * Reads one text line.
 *
 * @example
 * const session = await InferenceSession.create(recognizerPath);
 * const { text } = await readLine(session, await readPicture("line.png"), dictionary);
 */
export async function readLine(
  session: InferenceSession,
  picture: Picture,
  dictionary: readonly string[],
): Promise<Reading> {
  const { data, dims } = prepareLine(picture);
  const start = performance.now();
  const outputs = await session.run({ [session.inputNames[0]!]: new Tensor("float32", data, dims) });
  const milliseconds = performance.now() - start;
  const output = outputs[session.outputNames[0]!]!;
  const probabilities = output.data as Float32Array;
  return { ...decode(probabilities, output.dims[1]!, dictionary), probabilities, milliseconds };
}
