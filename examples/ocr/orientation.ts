/** Whether a line stands on its head: PP-OCR's classifier of two classes, 0° and 180°. */
import { type InferenceSession, Tensor } from "bitbasis";
import type { Picture } from "./picture.ts";
import { scaleInto } from "./prepare.ts";

const [HEIGHT, WIDTH] = [48, 192];
/** As in PaddleOCR: only a certain answer turns a line. */
const CERTAIN = 0.9;

/** @example if (await isUpsideDown(classifier, line)) line = turned(line); */
export async function isUpsideDown(session: InferenceSession, line: Picture): Promise<boolean> {
  const used = Math.min(WIDTH, Math.max(1, Math.ceil((line.width * HEIGHT) / line.height)));
  const data = new Float32Array(3 * HEIGHT * WIDTH);
  const half = [0.5, 0.5, 0.5] as const;
  scaleInto(data, line, { used, height: HEIGHT, width: WIDTH, mean: half, deviation: half });
  const outputs = await session.run({ [session.inputNames[0]!]: new Tensor("float32", data, [1, 3, HEIGHT, WIDTH]) });
  return (outputs[session.outputNames[0]!]!.data[1] as number) > CERTAIN;
}
