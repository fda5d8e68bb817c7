import type { Audit } from "../networks/attention-audit.ts";
import type { Target, TargetPlan } from "../quantize/index.ts";
import type { LayerPlan, Plan } from "../series/index.ts";
import type { Shape } from "../tensor/index.ts";
import type { ActivationLoss, WeightLoss } from "./format.ts";

/** What `advise` found out about a network. */
export interface Advice {
  /** One line: how many bits suffice, and for what they do not. */
  readonly summary: string;
  readonly target: Target;
  /** For `quantize`, `create` and `--plan`, with a reason on every line. */
  readonly plan: Plan;
  readonly layers: readonly LayerAdvice[];
  /** The error that single layers' errors add up to. */
  readonly predicted: number;
  /** What the whole plan was measured to do; absent for a network that cannot be run here. */
  readonly measured?: Figures & { readonly inputs: string };
  /** Bytes of the container. */
  readonly bytes: number;
  /** The best plan with the same bits everywhere that reaches the target too; absent where there is none. */
  readonly uniform?: NonNullable<TargetPlan["uniform"]>;
  /** The plan with activations in float32: what is left is due to the weights. */
  readonly weightsOnly?: Figures;
  /** The regimes of the network's shape, or why it has none. */
  readonly regime: RegimeAdvice | string;
  /** Its attention, or why that was not looked at; absent without attention. */
  readonly attention?: Audit | string;
  /** The questions that come next, each with an answer of a sentence or two. */
  readonly answers: readonly { readonly question: string; readonly answer: string }[];
}

export interface Figures {
  /** The largest max|a − b|/max|b| or ‖a − b‖/‖b‖ of an output. */
  readonly error: number;
  /** Part of the vectors whose largest element stays where it is, where outputs have some. */
  readonly agreement?: number;
}

export interface LayerAdvice {
  /** Of the node. */
  readonly name: string;
  readonly op: string;
  /** Of the weights; absent for a product of two activations. */
  readonly shape?: Shape;
  readonly plan: LayerPlan;
  readonly reason: string;
  /** Error of the network's outputs with this layer alone quantized, by weight bits 4, 8, 12 and 16, which are one to four INT4 terms. Empty for products, and where layers were not measured. */
  readonly errors: readonly { readonly bits: number; readonly error: number }[];
  /** The same for its activations at 8 bits. */
  readonly activationError?: number;
  /** Its part of the plan's squared error, 0…1. */
  readonly share: number;
  readonly weights?: WeightLoss;
  readonly activation?: ActivationLoss;
  /** Where its bits lie among the regimes of the network's shape. */
  readonly regime?: "under" | "proper" | "over";
  /** Heads of its attention block that want more bits than the layer's activations have. */
  readonly heads?: readonly { readonly head: number; readonly bits?: number }[];
}

export interface RegimeAdvice {
  /** Bits of a weight from which the class of networks of this shape is no longer starved of them. */
  readonly bitsUnder: number;
  /** From here on no network of this shape can gain. */
  readonly bitsOver: number;
  /** What that does not say. */
  readonly caveats: readonly string[];
}
