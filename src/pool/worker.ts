// One thread of a Pool: a session per model, runs one at a time, in the order in which they come.
import { BitbasisError } from "../core/index.ts";
import type { ValueInfo } from "../graph/index.ts";
import { sha256 } from "../model/sha256.ts";
import { modelDigest } from "../receipt/receipt.ts";
import { InferenceSession } from "../session/session.ts";
import { Tensor } from "../tensor/index.ts";
import type { ModelFacts, Parcel, PoolModel, ValueFacts } from "./messages.ts";
import { serveThread } from "./thread.ts";

await serveThread(async ({ models, limits, build }) => {
  const sessions = new Map<string, InferenceSession>();
  const facts: Record<string, ModelFacts> = {};
  for (const model of models) {
    const session = await InferenceSession.create(model.bytes, { terms: model.terms, limits, build });
    sessions.set(model.key, session);
    facts[model.key] = factsOf(session, model);
  }
  return {
    facts,
    async run({ model, feeds, fetches, signal }) {
      const session = sessions.get(model)!;
      const given = Object.fromEntries(
        Object.entries(feeds).map(([name, p]) => [name, new Tensor(p.type, p.data, p.dims)]),
      );
      const made = await session.run(given, fetches ?? session.outputNames, { signal });
      return Object.fromEntries(Object.entries(made).map(([name, tensor]) => [name, parcel(name, tensor)]));
    },
  };
});

function parcel(name: string, tensor: Tensor | null): Parcel {
  if (tensor === null || !("dims" in tensor)) throw new TypeError(`the output "${name}" expected a tensor, got none`);
  return { type: tensor.type, dims: tensor.dims, data: tensor.data };
}

function factsOf(session: InferenceSession, { key, bytes }: PoolModel): ModelFacts {
  const { inputs, outputs } = session.origin.model.graph;
  const facts = (values: readonly ValueInfo[]): ValueFacts[] =>
    values.map(({ name, holder, type, shape }) => {
      if (holder !== undefined) {
        throw new BitbasisError(
          "UNSUPPORTED",
          `"${name}" of the model "${key}" is a ${holder}: only tensors go through a pool`,
        );
      }
      return { name, type, shape };
    });
  return {
    inputs: facts(inputs),
    outputs: facts(outputs),
    digest: digestOf(session, bytes),
    terms: session.terms.loaded,
  };
}

function digestOf(session: InferenceSession, bytes: Uint8Array): string {
  try {
    return modelDigest(session);
  } catch (error) {
    if (error instanceof BitbasisError && error.code === "UNSUPPORTED") return sha256(bytes);
    throw error;
  }
}
