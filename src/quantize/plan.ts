import type { Core } from "../core/index.ts";
import { checkPlan, gridWidth, type LayerPlan, type Plan, type Preset, planFor } from "../series/index.ts";
import type { LinearNode } from "./linear.ts";

/** The plan of one layer, with the reason why it is not the default. */
export type ReasonedPlan = LayerPlan & { readonly reason?: string };

export interface Planned {
  readonly plan: Plan;
  readonly preset?: Preset;
  /** By node. */
  readonly layers: ReadonlyMap<string, ReasonedPlan>;
}

/**
 * The plan of every linear layer. A plan alone says everything; beside a preset, its `layers` override those of the preset.
 *
 * @throws TypeError or RangeError when the plan is no plan or names layers that the network does not have
 */
export function planLayers(
  core: Core,
  linear: readonly LinearNode[],
  options: { readonly preset?: Preset; readonly plan?: Plan },
): Planned {
  const { preset, plan } = options;
  if (plan !== undefined) {
    checkPlan(plan);
    checkNames(plan, linear);
  }
  if (plan !== undefined && preset === undefined) return { plan, layers: assign(plan, linear) };
  const used = preset ?? "faithful";
  const total = linear.reduce((sum, { weights }) => sum + (weights?.tensor.size ?? 0), 0);
  const ofPreset = planFor(
    used,
    linear.map((layer) => {
      const { kind, frontEnd, weights } = layer;
      const node = layer.node.name;
      if (used === "float32" || weights === undefined) return { node, kind, frontEnd };
      const grid = gridWidth(core, weights.tensor, weights.axis);
      return { ...layer, node, share: weights.tensor.size / total, ...(grid !== undefined && { grid }) };
    }),
  );
  const layers = { ...ofPreset.layers, ...plan?.layers };
  const { tables, check } = plan ?? {};
  const joined: Plan = {
    ...ofPreset,
    ...(tables === undefined ? {} : { tables }),
    ...(check === undefined ? {} : { check }),
    ...(Object.keys(layers).length > 0 ? { layers } : {}),
  };
  return { plan: joined, preset: used, layers: assign(joined, linear) };
}

function assign({ default: fallback, layers = {} }: Plan, linear: readonly LinearNode[]): Map<string, ReasonedPlan> {
  const named = new Map(Object.entries(layers));
  return new Map(
    linear.map(({ node, weights }) => {
      return [node.name, named.get(node.name) ?? named.get(weights?.name ?? "") ?? fallback];
    }),
  );
}

function checkNames({ layers = {} }: Plan, linear: readonly LinearNode[]): void {
  const known = new Set(linear.flatMap(({ node, weights }) => [node.name, ...(weights ? [weights.name] : [])]));
  const unknown = Object.keys(layers).filter((name) => !known.has(name));
  if (unknown.length === 0) return;
  throw new RangeError(
    `"plan.layers" expected names of linear layers or of their weights, got ${unknown.map((n) => `"${n}"`).join(", ")}; ` +
      `the network has ${linear.map(({ node }) => `"${node.name}"`).join(", ")}`,
  );
}

/** A plan that says everything: one entry per layer. */
export function fullPlan(base: Plan, layers: ReadonlyMap<string, ReasonedPlan>): Plan {
  return { ...base, version: 2, layers: Object.fromEntries(layers) };
}
