import { bytesOf, checkSignal, kindOf } from "../core/index.ts";
import { arrayHolds, classOfArray, Tensor, type TensorLike } from "../tensor/index.ts";
import type { RunOptions } from "./options.ts";
import { SessionState } from "./state.ts";

/** Names of outputs, or tensors to fill by name, null for a new one; or the options in their place. */
export type Fetches = readonly string[] | Readonly<Record<string, Tensor | TensorLike | null>> | RunOptions;

/** What a run is to give. */
export interface Request {
  /** By output: the caller's tensor, or null for a new one. */
  readonly outputs: ReadonlyMap<string, Tensor | TensorLike | null>;
  readonly signal: AbortSignal | undefined;
  readonly state: SessionState | undefined;
}

/**
 * Reads the arguments of a run behind the feeds, in onnxruntime's forms: an object is of fetches when it gives an output a tensor or null.
 *
 * @throws TypeError or RangeError that names the argument, what was expected and what was given
 */
export function readRequest(names: readonly string[], fetches: unknown, options: unknown): Request {
  const isOptions = fetches === undefined || (options === undefined && !isFetches(names, fetches));
  const how = isOptions ? (fetches ?? options ?? {}) : (options ?? {});
  if (typeof how !== "object" || how === null || Array.isArray(how)) {
    const what = isOptions && options === undefined ? "fetches" : "options";
    throw new TypeError(
      `"${what}" expected ${what === "fetches" ? "names of outputs or options" : "an object"}, got ${kindOf(how)}`,
    );
  }
  const { signal, state } = how as RunOptions;
  checkSignal(signal);
  if (state !== undefined && !(state instanceof SessionState))
    throw new TypeError(`"state" expected a state of the session, got ${kindOf(state)}`);
  if (isOptions) {
    const wanted = names.filter((name) => !state?.takes(name));
    return { outputs: new Map(wanted.map((name) => [name, null])), signal, state };
  }
  if (typeof fetches !== "object" || fetches === null) {
    throw new TypeError(`"fetches" expected names of outputs or tensors by name, got ${kindOf(fetches)}`);
  }
  const wanted: [unknown, unknown][] = Array.isArray(fetches)
    ? Array.from(fetches, (name: unknown) => [name, null])
    : Object.entries(fetches);
  const outputs = new Map(
    wanted.map(([name, tensor]) => {
      if (typeof name !== "string") throw new TypeError(`"fetches" expected names of outputs, got ${kindOf(name)}`);
      if (!names.includes(name)) {
        throw new RangeError(`the model has no output "${name}"; its outputs are ${names.join(", ")}`);
      }
      if (tensor !== null && !isTensor(tensor)) {
        throw new TypeError(`the fetch "${name}" expected a tensor or null, got ${kindOf(tensor)}`);
      }
      return [name, tensor] as const;
    }),
  );
  return { outputs, signal, state };
}

/**
 * Copies an output into the caller's tensor.
 *
 * @throws TypeError for another element type, RangeError for another shape
 */
export function fill(name: string, into: Tensor | TensorLike, from: Tensor): Tensor {
  // It is the caller's, and may have been changed while the model ran.
  if (!isTensor(into)) throw new TypeError(`the fetch "${name}" expected a tensor, which it has ceased to be`);
  const { type, dims } = into;
  const expected = `output "${name}" is ${from.type} [${from.dims.join(", ")}], the tensor to fill ${type} [${dims.join(", ")}]`;
  if (type !== from.type) throw new TypeError(expected);
  if (dims.length !== from.dims.length || dims.some((d, i) => d !== from.dims[i])) throw new RangeError(expected);
  const [target, source] = [into.data, from.data];
  if (Array.isArray(target) && Array.isArray(source)) {
    if (Object.isFrozen(target)) throw new TypeError(`${expected}, whose data are frozen`);
    for (const [i, text] of source.entries()) target[i] = text;
  } else if (ArrayBuffer.isView(target) && ArrayBuffer.isView(source) && target.byteLength === source.byteLength) {
    const name = classOfArray(target);
    if (!arrayHolds(name, from.type)) throw new TypeError(`${expected} in ${name}`);
    bytesOf(target).set(bytesOf(source));
  } else throw new TypeError(`${expected}, whose data are gone`);
  // onnxruntime's tensors have all that ours have: the caller gets its own object back.
  return into as Tensor;
}

function isFetches(names: readonly string[], fetches: unknown): boolean {
  if (Array.isArray(fetches)) return true;
  if (typeof fetches !== "object" || fetches === null) return false;
  return names.some((name) => {
    const value: unknown = Object.hasOwn(fetches, name) ? (fetches as Record<string, unknown>)[name] : undefined;
    return value === null || isTensor(value);
  });
}

function isTensor(value: unknown): value is Tensor | TensorLike {
  if (value instanceof Tensor) return true;
  const { type, dims } = (value ?? {}) as Partial<TensorLike>;
  return typeof type === "string" && Array.isArray(dims);
}
