/**
 * `bitbasis/transformers`: imported before transformers.js, makes its pipelines run on bitbasis.
 *
 * @example
 * import "bitbasis/transformers";
 * import { pipeline } from "@huggingface/transformers";
 * const classify = await pipeline("text-classification", model); // in a page: { device: "auto" }, or the alias of docs/migrate.md
 *
 * @module
 */
import { installTransformers } from "../ort/index.ts";
import * as ort from "./ort.ts";

installTransformers(ort);
