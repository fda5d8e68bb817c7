// The core as one module, or as two that work on one memory: what most networks run, and the rest. asconfig.json sets PART for each module; conditions on it are
// decided by the compiler, so that a part holds nothing of the other. `run` of the first part answers Status.BadOpcode to a step that is the other's.
import { ElementCode } from "../src/core/abi/element";
import { BinaryFunction, UnaryFunction } from "../src/core/abi/elementwise";

/** Bits of PART. */
export enum Part {
  Common = 1,
  Rest = 2,
}

/** Element types of which arithmetic is left to the rest: no network computes much in them. */
@inline
export function isRest(type: i32): bool {
  return type == ElementCode.float64 || type == ElementCode.uint64;
}

/** Functions that networks hardly have. */
@inline
export function isRestFunction(operation: i32): bool {
  if (operation >= UnaryFunction.Sin && operation <= UnaryFunction.Atanh) return true;
  return operation == UnaryFunction.Celu || operation == UnaryFunction.Mish || operation == UnaryFunction.Shrink;
}

/** Functions of two float32 that networks hardly have: powers other than squares, and remainders. */
@inline
export function isRestPair(type: i32, operation: i32): bool {
  return type == ElementCode.float32 && operation >= BinaryFunction.Pow && operation <= BinaryFunction.Fmod;
}
