import type { InferenceSession } from "bitbasis";
import { cut, turned } from "./cut.ts";
import { type Detection, detect } from "./detector.ts";
import { readingOrder } from "./order.ts";
import { isUpsideDown } from "./orientation.ts";
import type { Picture } from "./picture.ts";
import { type Reading, readLine } from "./recognizer.ts";

/** Less certain readings are pictures and specks, not text; the share of PaddleOCR. */
const LEAST_CONFIDENCE = 0.5;

/** The three networks of PP-OCR. */
export interface Reader {
  readonly detector: InferenceSession;
  readonly classifier: InferenceSession;
  readonly recognizer: InferenceSession;
  readonly dictionary: readonly string[];
}

export interface PageLine extends Detection, Pick<Reading, "text" | "confidence"> {
  readonly upsideDown: boolean;
}

/**
 * Reads a whole page: where its lines are, which of them stand on their heads, what they say, in reading order.
 *
 * @example
 * for (const { text } of await readPage(reader, await readPicture("scan.png"))) console.log(text);
 */
export async function readPage(reader: Reader, page: Picture): Promise<PageLine[]> {
  const lines: PageLine[] = [];
  for (const box of readingOrder(await detect(reader.detector, page))) {
    const picture = cut(page, box);
    const read = (line: Picture): Promise<Reading> => readLine(reader.recognizer, line, reader.dictionary);
    const upright = await read(picture);
    // The classifier errs on handwriting; of both readings the more certain one counts.
    const other = (await isUpsideDown(reader.classifier, picture)) ? await read(turned(picture)) : undefined;
    const upsideDown = other !== undefined && other.confidence > upright.confidence;
    const { text, confidence } = upsideDown ? other : upright;
    if (confidence >= LEAST_CONFIDENCE) lines.push({ ...box, upsideDown, text, confidence });
  }
  return lines;
}
