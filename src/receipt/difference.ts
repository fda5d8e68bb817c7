import { bytesOf } from "../core/index.ts";
import type { Fed } from "../session/feeds.ts";
import { elementBytes, type Tensor } from "../tensor/index.ts";

/** The first place where two values differ; without `index` when their types or shapes do. */
export interface Difference {
  /** Position in row-major order. */
  readonly index?: number;
  /** What this machine has computed: the element, or type and shape. Bits as hexadecimal where both read the same, as NaNs do. */
  readonly expected: number | bigint | string;
  /** What was claimed. */
  readonly got: number | bigint | string;
}

/** Compares bits, so that −0 is not +0 and one NaN is not another; a tensor of a sequence goes by `name[i]`. */
export function firstDifference(name: string, made: Fed, claimed: Fed): (Difference & { output: string }) | undefined {
  if (isList(made) && isList(claimed) && made.length === claimed.length) {
    for (const [i, one] of made.entries()) {
      const difference = firstDifference(`${name}[${i}]`, one, claimed[i]);
      if (difference !== undefined) return difference;
    }
    return undefined;
  }
  const [expected, got] = [describe(made), describe(claimed)];
  if (expected !== got) return { output: name, expected, got };
  if (made === undefined || claimed === undefined || isList(made) || isList(claimed)) return undefined;
  const difference = firstElement(made, claimed);
  return difference && { output: name, ...difference };
}

function firstElement(made: Tensor, claimed: Tensor): Difference | undefined {
  const [a, b] = [made.data, claimed.data];
  if (!ArrayBuffer.isView(a) || !ArrayBuffer.isView(b)) {
    const index = (a as string[]).findIndex((text, i) => text !== b[i]);
    return index < 0 ? undefined : { index, expected: a[index]!, got: b[index]! };
  }
  const [x, y] = [a, b].map(bytesOf);
  const at = x!.findIndex((byte, i) => byte !== y![i]);
  if (at < 0) return undefined;
  const bytes = elementBytes(made.type);
  const index = Math.floor(at / bytes);
  const [expected, got] = [a[index]!, b[index]!];
  if (!Object.is(expected, got)) return { index, expected, got };
  const [of, or] = [x!, y!].map((all) => hexadecimal(all.subarray(index * bytes, (index + 1) * bytes)));
  return { index, expected: of!, got: or! };
}

function hexadecimal(bytes: Uint8Array): string {
  return `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"))
    .reverse()
    .join("")}`;
}

function describe(value: Fed): string {
  if (value === undefined) return "nothing";
  return isList(value) ? `${value.length} tensors` : `${value.type} [${value.dims.join(", ")}]`;
}

function isList(value: Fed): value is readonly Tensor[] {
  return Array.isArray(value);
}
