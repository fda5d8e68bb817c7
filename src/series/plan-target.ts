import { type Core, checkList, checkOptions, isRecord, newCore, shown, wrongKind } from "../core/index.ts";
import type { Tensor } from "../tensor/index.ts";
import { largestTerms } from "./digits.ts";
import { expandWeights } from "./expansion.ts";
import { checkLayerPlan, type LayerPlan, type Plan } from "./plan.ts";

/** A layer to plan for. */
export interface PlannableLayer {
  /** Of the node or of its weight initializer. */
  readonly name: string;
  /** As the network has them, all finite. */
  readonly weights: Tensor<"float32">;
  /** Axis of the output channels. */
  readonly axis: number;
}

/** What the layers are to reach, and in which terms. */
export interface PlanOptions {
  /** The largest √(Σ(w − ŵ)² / Σw²) of a layer, or bytes of digits that all layers may have together. */
  readonly target:
    | {
        /** Of every layer, > 0. */
        readonly relativeError: number;
      }
    | {
        /** Of the digits of all layers. */
        readonly bytes: number;
      };
  /** X; default 4. */
  readonly bits?: number;
  /** Terms of the activations; default 3. */
  readonly activationTerms?: number;
}

/**
 * A plan from the weights alone: the fewest terms per layer that keep a relative error, or the best use of a budget. With a budget every
 * layer starts with one term, and the next one always goes where it removes the most relative squared error per weight: small, fragile layers
 * first (design notes of this project: the cheapest gain of all that were measured).
 *
 * It knows nothing of activations and of how errors travel; whether the network still answers alike is for `compare` to say.
 *
 * @throws RangeError when the target cannot be reached with 16 bits, or not even one term per layer fits the budget
 * @example
 * const { layers } = await plan([{ name: "conv1", weights, axis: 0 }], { target: { relativeError: 0.01 } });
 */
export async function plan(layers: readonly PlannableLayer[], options: PlanOptions): Promise<Plan> {
  checkList("layers", layers);
  checkOptions(options);
  const { target, bits = 4, activationTerms = 3 } = options;
  checkTarget(target);
  for (const [i, layer] of layers.entries()) checkLayer(`layers[${i}]`, layer);
  const base: LayerPlan = { bits, weightTerms: 1, activationTerms };
  checkLayerPlan(base, "options");
  const core = await newCore();
  const most = largestTerms(bits, "signed");
  const states = layers.map((layer) => new State(core, layer, bits, most));
  if ("bytes" in target) {
    spend(states, target.bytes);
  } else {
    for (const state of states) while (state.error > target.relativeError) state.promote();
  }
  const entries = states.map(({ layer, terms, error }): [string, LayerPlan & { reason: string }] => {
    return [layer.name, { ...base, weightTerms: terms, reason: `relative error ${error.toExponential(1)}` }];
  });
  return { version: 1, default: base, layers: Object.fromEntries(entries) };
}

function checkTarget(target: unknown): void {
  const [name = "", ...more] = isRecord(target) ? Object.keys(target) : [];
  if (!isRecord(target) || more.length > 0 || !["relativeError", "bytes"].includes(name))
    throw wrongKind("target", "{ relativeError } or { bytes }", target);
  const value = target[name];
  if (typeof value !== "number" || !(value >= 0))
    throw new RangeError(`"target.${name}" expected a number of at least 0, got ${shown(value)}`);
}

function checkLayer(what: string, layer: unknown): void {
  if (!isRecord(layer)) throw wrongKind(what, "{ name, weights, axis }", layer);
  const weights = layer["weights"];
  if (!isRecord(weights) || weights["type"] !== "float32" || !Array.isArray(weights["dims"]))
    throw wrongKind(`${what}.weights`, "a float32 Tensor", weights);
}

function spend(states: readonly State[], budget: number): void {
  let bytes = states.reduce((sum, state) => sum + state.termBytes, 0);
  if (bytes > budget) throw new RangeError(`"target.bytes" expected at least ${bytes}, one term each, got ${budget}`);
  for (;;) {
    const fitting = states.filter((state) => !state.complete && bytes + state.termBytes <= budget);
    if (fitting.length === 0) return;
    const next = fitting.reduce((best, state) => (state.urgency > best.urgency ? state : best));
    next.promote();
    bytes += next.termBytes;
  }
}

/** A layer with the terms that it has been given so far. */
class State {
  terms = 1;
  error: number;

  constructor(
    private readonly core: Core,
    readonly layer: PlannableLayer,
    private readonly bits: number,
    private readonly most: number,
  ) {
    this.error = this.measure();
  }

  get termBytes(): number {
    return Math.ceil((this.layer.weights.size * this.bits) / 8);
  }

  get complete(): boolean {
    return this.terms === this.most || this.error === 0;
  }

  get urgency(): number {
    return this.error ** 2 / Math.max(this.layer.weights.size, 1);
  }

  promote(): void {
    if (this.terms === this.most) {
      throw new RangeError(
        `"target.relativeError" expected at least ${this.error} for layer "${this.layer.name}", which has ${this.most} terms then`,
      );
    }
    this.terms++;
    this.error = this.measure();
  }

  private measure(): number {
    const { name, weights, axis } = this.layer;
    return expandWeights(this.core, weights, { name, axis, bits: this.bits, terms: this.terms }).relativeError;
  }
}
