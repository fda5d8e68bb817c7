import { kindOf, shown } from "../core/index.ts";
import type { ValueInfo } from "../graph/graph.ts";
import { copyOfData, type ElementType, elementBytes, sizeOf, Tensor, type TensorLike } from "../tensor/index.ts";

/** A feed: our tensor, onnxruntime-common's, or the bare array of an input whose shape is static. */
export type Feed = TensorLike | ArrayBufferView;

/** What is fed for any input: for a sequence an array of tensors, for an optional that holds nothing null. */
export type AnyFeed = Feed | readonly Feed[] | null;

/** A feed that has been checked and copied. */
export type Fed = Tensor | readonly Tensor[] | undefined;

/** A shape as a reader sees it: `float32 [batch, 3, 224, 224]`. */
export function describe({ type, shape, holder }: Pick<ValueInfo, "type" | "shape" | "holder">): string {
  const tensor = `${type} ${shape === undefined ? "of any shape" : `[${shape.join(", ")}]`}`;
  return holder === undefined ? tensor : `${holder} of ${tensor}`;
}

/** The input or output of this name. */
export function named(kind: "input" | "output", all: readonly ValueInfo[], name: string): ValueInfo {
  const found = all.find((one) => one.name === name);
  if (found !== undefined) return found;
  const known = all.map((one) => JSON.stringify(one.name)).join(", ");
  throw new RangeError(`the model has no ${kind} "${name}"; its ${kind}s are ${known}`);
}

/**
 * Checks feeds against the inputs of a model, and copies them: what the caller does to its arrays afterwards is not seen.
 *
 * @returns the tensors by input name; a list for a sequence, undefined for an optional that holds nothing
 * @throws TypeError or RangeError that names the input, what was expected and what came
 */
export function checkFeeds(inputs: readonly ValueInfo[], feeds: Readonly<Record<string, AnyFeed>>): Map<string, Fed> {
  if (typeof feeds !== "object" || feeds === null)
    throw new TypeError(`"feeds" expected an object of tensors, got ${kindOf(feeds)}`);
  for (const name of Object.keys(feeds)) named("input", inputs, name);
  const bound = new Map<string, { size: number; by: string }>();
  return new Map(
    inputs.map((input) => {
      const { name } = input;
      const feed = Object.hasOwn(feeds, name) ? feeds[name] : undefined;
      return [name, input.holder === undefined ? copyOf(checkFeed(input, feed, bound)) : checkHeld(input, feed)];
    }),
  );
}

/** The feed of a sequence or an optional, copied. */
function checkHeld(input: ValueInfo, feed: AnyFeed | undefined): Fed {
  const { name, holder } = input;
  if (holder !== "sequence" && (feed === null || feed === undefined)) return undefined;
  if (holder === "optional") return copyOf(checkFeed(input, feed, new Map()));
  if (!Array.isArray(feed))
    throw new TypeError(`input "${name}" expected an array for a ${describe(input)}, got ${kindOf(feed)}`);
  // Every tensor has sizes of its own where the declared shape names a dimension.
  return Array.from(feed as readonly Feed[], (one, i) =>
    copyOf(checkFeed({ name: `${name}[${i}]`, type: input.type, shape: input.shape }, one, new Map())),
  );
}

function copyOf({ type, data, dims }: Tensor): Tensor {
  return new Tensor(type, copyOfData(data), dims);
}

function checkFeed(
  input: ValueInfo,
  feed: AnyFeed | undefined,
  bound: Map<string, { size: number; by: string }>,
): Tensor {
  const { name, type } = input;
  if (feed === undefined) throw new TypeError(`input "${name}" expected ${describe(input)}, got nothing`);
  const tensor = toTensor(input, feed);
  if (tensor.data.length !== tensor.size) {
    throw new TypeError(
      `input "${name}" expected ${tensor.size} elements, got ${tensor.data.length}: its buffer has been detached or resized`,
    );
  }
  const got = `${tensor.type} [${tensor.dims.join(", ")}]`;
  if (tensor.type !== type) throw new TypeError(`input "${name}" expected ${describe(input)}, got ${got}`);
  const { shape } = input;
  if (shape === undefined) return tensor;
  if (shape.length !== tensor.dims.length)
    throw new RangeError(`input "${name}" expected ${describe(input)}, got ${got}`);
  shape.forEach((expected, axis) => {
    const size = tensor.dims[axis]!;
    if (typeof expected === "number") {
      if (expected !== size) throw new RangeError(`input "${name}" expected ${describe(input)}, got ${got}`);
      return;
    }
    const other = bound.get(expected);
    if (other === undefined) bound.set(expected, { size, by: name });
    else if (expected !== "" && other.size !== size) {
      throw new RangeError(
        `input "${name}" expected ${describe(input)} with ${expected} = ${other.size} as in "${other.by}", got ${got}`,
      );
    }
  });
  return tensor;
}

function toTensor(input: ValueInfo, feed: AnyFeed): Tensor {
  const { name, type, shape } = input;
  if (ArrayBuffer.isView(feed)) {
    const dims = shape?.every((d): d is number => typeof d === "number") ? shape : undefined;
    if (dims === undefined)
      throw new TypeError(`input "${name}" expected a tensor, since its shape is not static: ${describe(input)}`);
    return toTensor(input, { type, data: feed, dims });
  }
  if (feed instanceof Tensor) return feed;
  if (
    typeof feed !== "object" ||
    feed === null ||
    !("dims" in feed) ||
    !Array.isArray(feed.dims) ||
    typeof feed.type !== "string"
  ) {
    throw new TypeError(`input "${name}" expected ${describe(input)}, got ${kindOf(feed)}`);
  }
  try {
    return new Tensor(feed.type as ElementType, feed.data as ArrayBufferView, feed.dims);
  } catch (cause) {
    const Kind = cause instanceof RangeError ? RangeError : TypeError;
    const why = cause instanceof Error ? cause.message : shown(cause);
    throw new Kind(`input "${name}" expected ${describe(input)}: ${why}`, { cause });
  }
}

/** The raw bytes of a numeric tensor. */
export function bytesOf(tensor: Tensor): Uint8Array {
  const { data, type } = tensor;
  if (!ArrayBuffer.isView(data)) throw new TypeError(`a numeric tensor is expected, got ${type}`);
  return new Uint8Array(data.buffer, data.byteOffset, sizeOf(tensor.dims) * elementBytes(type));
}
