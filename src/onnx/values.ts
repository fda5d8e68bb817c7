import { BitbasisError } from "../core/errors.ts";
import type { Dimension, ValueInfo } from "../graph/graph.ts";
import type { TypeProto, ValueInfoProto } from "./schema.ts";
import { dataType, dataTypeName, elementType } from "./types.ts";

/**
 * A value with its type. `typed`: an input of the model must say its type; outputs and the values of bodies need not.
 *
 * @throws BitbasisError UNSUPPORTED for types that we do not have
 */
export function readValueInfo({ name, type }: ValueInfoProto, typed: boolean): ValueInfo {
  const { tensor, holder } = unwrapped(type);
  if (tensor === undefined || tensor.elem_type === 0) {
    if (!typed) return { name, type: "float32", shape: undefined, ...holder };
    throw new BitbasisError("UNSUPPORTED", `input "${name}" is of a type that we do not have, or of none`);
  }
  const element = elementType(tensor.elem_type);
  if (element === undefined) {
    throw new BitbasisError("UNSUPPORTED", `value "${name}" has element type ${dataTypeName(tensor.elem_type)}`);
  }
  const shape = tensor.shape?.dim.map((d, i): Dimension => {
    // Some exporters write −1 or 0 for "any".
    if (d.value === "dim_value" && d.dim_value > 0) return d.dim_value;
    return d.value === "dim_param" && d.dim_param !== "" ? d.dim_param : `${name}_${i}`;
  });
  return { name, type: element, shape, ...holder };
}

/** The tensor inside of an optional, a sequence, or an optional sequence. */
function unwrapped(type: TypeProto | undefined): {
  tensor: TypeProto["tensor_type"];
  holder: Pick<ValueInfo, "holder">;
} {
  let inner = type;
  const holders: string[] = [];
  if (inner?.optional_type !== undefined) {
    holders.push("optional");
    inner = inner.optional_type.elem_type;
  }
  if (inner?.sequence_type !== undefined) {
    holders.push("sequence");
    inner = inner.sequence_type.elem_type;
  }
  const holder = holders.length === 0 ? {} : { holder: holders.join(" ") as NonNullable<ValueInfo["holder"]> };
  return { tensor: inner?.tensor_type, holder };
}

/** A type as ONNX spells it: `tensor(float32)`, `seq(tensor(int64))`, `optional(seq(tensor(bool)))`. */
export function typeText(type: TypeProto | undefined): string {
  if (type?.optional_type !== undefined) return `optional(${typeText(type.optional_type.elem_type)})`;
  if (type?.sequence_type !== undefined) return `seq(${typeText(type.sequence_type.elem_type)})`;
  return `tensor(${dataTypeName(type?.tensor_type?.elem_type ?? 0)})`;
}

/** A value of a body. What is read as float32 of any shape may have had no type in its file, and one that is wrong is refused: runtimes find it out themselves. */
export function writeBodyValue(value: ValueInfo): ValueInfoProto {
  const isGuess = value.type === "float32" && value.shape === undefined && value.holder === undefined;
  return isGuess ? { name: value.name, type: undefined } : writeValueInfo(value);
}

export function writeValueInfo({ name, type, shape, holder }: ValueInfo): ValueInfoProto {
  const dim = shape?.map((d) =>
    typeof d === "number"
      ? { dim_value: d, value: "dim_value" as const }
      : { dim_param: d, value: "dim_param" as const },
  );
  const tensor = { elem_type: dataType(type), shape: dim === undefined ? undefined : { dim } };
  let proto: Partial<TypeProto> = { tensor_type: tensor as TypeProto["tensor_type"], value: "tensor_type" };
  if (holder?.endsWith("sequence"))
    proto = { sequence_type: { elem_type: proto as TypeProto }, value: "sequence_type" };
  if (holder?.startsWith("optional"))
    proto = { optional_type: { elem_type: proto as TypeProto }, value: "optional_type" };
  return { name, type: proto as TypeProto };
}
