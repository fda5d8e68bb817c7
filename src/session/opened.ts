import { checkSupported } from "../graph/index.ts";
import { limitTerms, type Model, totalTerms } from "../model/index.ts";
import { loadOperators } from "../program/operators/chunks.ts";
import type { WeightSeries } from "../series/index.ts";
import type { SessionOptions } from "./options.ts";
import type { Override } from "./overrides.ts";

/** A model as a session holds it, with the terms that may still arrive. */
export interface OpenModel {
  readonly model: Model;
  /** The digest that its container carries; of an ONNX source the model with all its terms, whose container would carry one. */
  readonly container: string | Model;
  readonly terms: { readonly loaded: number; readonly total: number };
  /** Waits for the next term; false when there is no further one. Throws the same error again and again once the rest is lost. */
  arrived(): Promise<boolean>;
  /** Adds the term that has arrived; the series that have grown. */
  take(): readonly WeightSeries[];
  /** Present when initializers of the model may be fed. */
  readonly override?: Override;
}

/** What of the options decides how a model is opened. */
export type OpenOptions = Pick<
  SessionOptions,
  "preset" | "plan" | "check" | "terms" | "externalData" | "progressive" | "onProgress"
>;

/** Throws one error that lists every node whose operator cannot run. */
export async function checked(opened: OpenModel): Promise<OpenModel> {
  await loadOperators(opened.model.graph);
  checkSupported(opened.model.graph);
  return opened;
}

/** A model that is all there. */
export function whole(model: Model, terms: number | undefined, container: string | Model = model): OpenModel {
  const total = totalTerms(model);
  const loaded = Math.min(total, terms ?? total);
  return {
    model: loaded < total ? limitTerms(model, loaded) : model,
    container,
    terms: { loaded, total },
    arrived: async () => false,
    take: () => [],
  };
}
