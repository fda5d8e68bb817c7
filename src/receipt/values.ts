import { kindOf } from "../core/index.ts";
import { type AnyFeed, checkFeeds, type Fed } from "../session/feeds.ts";
import type { InferenceSession } from "../session/session.ts";
import { type ElementType, Tensor, type TensorLike } from "../tensor/index.ts";

/** Inputs of a run by name, as `InferenceSession.run` takes them. */
export type Feeds = Readonly<Record<string, AnyFeed>>;

/** Outputs of a run: tensors, arrays of tensors for sequences, null for an optional that holds nothing. */
export type Outputs = Readonly<Record<string, TensorLike | readonly TensorLike[] | null>>;

/**
 * All inputs of a run, checked and copied as `run` does.
 *
 * @throws TypeError or RangeError as `run`; RangeError for an initializer, which the container that the receipt names keeps as a constant
 */
export function readInputs(session: InferenceSession, feeds: Feeds): Map<string, Fed> {
  const { inputs, overridable } = session.origin;
  const fed = overridable.find(({ name }) => Object.hasOwn(feeds ?? {}, name));
  if (fed !== undefined) {
    throw new RangeError(
      `"${fed.name}" is an initializer, which the container that a receipt names keeps as a constant: a run that feeds it has no receipt`,
    );
  }
  return checkFeeds(inputs, feeds);
}

/** Outputs by name, as they are compared and digested. */
export function readOutputs(outputs: Outputs, known: readonly string[]): Map<string, Fed> {
  if (typeof outputs !== "object" || outputs === null) {
    throw new TypeError(`"outputs" expected an object of tensors, got ${kindOf(outputs)}`);
  }
  return new Map(
    Object.entries(outputs).map(([name, value]) => {
      if (!known.includes(name)) {
        throw new RangeError(`"outputs" expected ${known.map((one) => `"${one}"`).join(", ")}, got "${name}"`);
      }
      return [name, toFed(name, value)];
    }),
  );
}

function toFed(name: string, value: Outputs[string]): Fed {
  if (value === null) return undefined;
  if (isList(value)) return value.map((one, i) => toTensor(`${name}[${i}]`, one));
  return toTensor(name, value);
}

function isList(value: TensorLike | readonly TensorLike[]): value is readonly TensorLike[] {
  return Array.isArray(value);
}

function toTensor(name: string, value: TensorLike): Tensor {
  if (value instanceof Tensor) return value;
  if (typeof value !== "object" || value === null || !Array.isArray(value.dims)) {
    throw new TypeError(`output "${name}" expected a tensor, got ${kindOf(value)}`);
  }
  return new Tensor(value.type as ElementType, value.data as ArrayBufferView, value.dims);
}
