// opcode → kernel: the only dispatch inside WASM. Steps are described in src/core/abi/; part.ts says why there are three switches.
import { ElementCode } from "../src/core/abi/element";
import { BinaryStep, UnaryStep } from "../src/core/abi/elementwise";
import { GatherElementsStep, GatherStep } from "../src/core/abi/movement";
import { Opcode } from "../src/core/abi/opcode";
import { ArgStep, ReduceStep } from "../src/core/abi/reduce";
import { Program, ProgramHeader, Status } from "../src/core/abi/program";
import { isRest, isRestFunction, isRestPair, Part } from "./part";
import { depthwiseF32, depthwiseI16 } from "./depthwise/depthwise";
import { blockProduct, quantizeBlocks } from "./gemm/blocks";
import { conv } from "./gemm/conv";
import { HAS_QUADS } from "./gemm/mac";
import { winograd } from "./gemm/winograd";
import { packKept } from "./tensor/keep";
import { packF32, packRight } from "./tensor/pack";
import { quantize } from "./tensor/quantize";
import { range } from "./tensor/range";
import { recurrent } from "./recurrent/recurrent";
import { deformColumns } from "./spatial/deform";
import { fold } from "./spatial/fold";
import { gridSample } from "./spatial/grid-sample";
import { maxRoiPool, roiAlign } from "./spatial/roi";
import { binary, compare } from "./tensor/binary";
import { dequantizeBytes, packBytes, packWeights, quantizeBytes } from "./tensor/bytes";
import { canonicalize, cast } from "./tensor/cast";
import { copy, fill } from "./tensor/copy";
import { determinant } from "./tensor/determinant";
import { gather, gatherElements } from "./tensor/gather";
import { layerNorm, softmax } from "./tensor/normalize";
import { pool, resize } from "./tensor/pool";
import { maxPool } from "./tensor/max-pool";
import { arg, reduce } from "./tensor/reduce";
import { narrow } from "./tensor/narrow";
import { rotate } from "./tensor/rotate";
import { product } from "./tensor/product";
import { stackDigits } from "./tensor/stack-digits";
import { cumulate, sequence } from "./tensor/sequence";
import { topK } from "./tensor/topk";
import { trilu } from "./tensor/trilu";
import { unary } from "./tensor/unary";
import { where } from "./tensor/where";
import { address, argument } from "./step";

/** Runs steps first…first + count − 1, until one fails: `ProgramHeader` then says which. */
export function run(program: usize, first: i32, count: i32, thread: i32, threads: i32): Status {
  if (argument(program, ProgramHeader.magic) != Program.Magic) return Status.BadProgram;
  if (argument(program, ProgramHeader.version) != Program.Version) return Status.BadProgram;
  let steps = argument(program, ProgramHeader.steps);
  if (first < 0 || count < 0 || first > steps - count) return Status.BadProgram;
  for (let i = first; i < first + count; i++) {
    let status = dispatch(program, address(program, ProgramHeader.length + i), thread, threads);
    if (status == Status.Ok) continue;
    store<i32>(program + (ProgramHeader.failedStep << 2), i);
    return status;
  }
  return Status.Ok;
}

function dispatch(program: usize, step: usize, thread: i32, threads: i32): Status {
  if (PART & Part.Common) return common(program, step, thread, threads);
  return arithmetic(program, step, thread, threads);
}

/** What most networks run. */
function common(program: usize, step: usize, thread: i32, threads: i32): Status {
  switch (load<i32>(step)) {
    case Opcode.Range:
      range(step, thread, threads);
      break;
    case Opcode.Quantize:
      quantize(step, thread, threads);
      break;
    case Opcode.PackRight:
      packRight(step, thread, threads);
      break;
    case Opcode.ConvI16:
    case Opcode.ConvI8:
    case Opcode.ConvI4:
    case Opcode.ConvF32:
      conv(step, thread, threads);
      break;
    case Opcode.ConvU7:
      if (!HAS_QUADS) return Status.BadOpcode;
      conv(step, thread, threads);
      break;
    case Opcode.WinogradI16:
    case Opcode.WinogradF32:
      winograd(step, thread, threads);
      break;
    case Opcode.Narrow:
      if (!HAS_QUADS) return Status.BadOpcode;
      narrow(step, thread, threads);
      break;
    case Opcode.DepthwiseI16:
      depthwiseI16(step, thread, threads);
      break;
    case Opcode.DepthwiseF32:
      depthwiseF32(step, thread, threads);
      break;
    case Opcode.PackF32:
      packF32(step, thread, threads);
      break;
    case Opcode.Where:
      where(step, thread, threads);
      break;
    case Opcode.Cast:
      cast(step, thread, threads);
      break;
    case Opcode.Pool:
      pool(step, thread, threads);
      break;
    case Opcode.Softmax:
      softmax(step, thread, threads);
      break;
    case Opcode.LayerNorm:
      layerNorm(step, thread, threads);
      break;
    case Opcode.Copy:
      copy(step, thread, threads);
      break;
    case Opcode.Fill:
      fill(step, thread, threads);
      break;
    case Opcode.Resize:
      resize(step, thread, threads);
      break;
    case Opcode.Canonicalize:
      canonicalize(step, thread, threads);
      break;
    case Opcode.Recurrent:
      return recurrent(program, step, thread, threads);
    default:
      return arithmetic(program, step, thread, threads);
  }
  return Status.Ok;
}

/** What is in both parts, each with types and functions of its own. */
function arithmetic(program: usize, step: usize, thread: i32, threads: i32): Status {
  if (PART == Part.Common) {
    if (isOfRest(step)) return Status.BadOpcode;
  }
  switch (load<i32>(step)) {
    case Opcode.Unary:
      unary(step, thread, threads);
      break;
    case Opcode.Binary:
      binary(step, thread, threads);
      break;
    case Opcode.Compare:
      compare(step, thread, threads);
      break;
    case Opcode.Reduce:
      reduce(step, thread, threads);
      break;
    case Opcode.Arg:
      arg(step, thread, threads);
      break;
    case Opcode.Gather:
      return gather(program, step, thread, threads);
    case Opcode.GatherElements:
      return gatherElements(program, step, thread, threads);
    default:
      return PART & Part.Rest ? rest(program, step, thread, threads) : Status.BadOpcode;
  }
  return Status.Ok;
}

/** Whether a step of `arithmetic` is the rest's. */
function isOfRest(step: usize): bool {
  switch (load<i32>(step)) {
    case Opcode.Unary: return isRest(argument(step, UnaryStep.type)) || isRestFunction(argument(step, UnaryStep.operation));
    case Opcode.Binary: {
      const type = argument(step, BinaryStep.type);
      return isRest(type) || isRestPair(type, argument(step, BinaryStep.operation));
    }
    case Opcode.Compare: return isRest(argument(step, BinaryStep.type));
    // Of floats they are what most networks have.
    case Opcode.Reduce: return argument(step, ReduceStep.type) != ElementCode.float32;
    case Opcode.Arg: return argument(step, ArgStep.type) != ElementCode.float32;
    case Opcode.Gather: return argument(step, GatherStep.operation) >= 0 && isRest(argument(step, GatherStep.type));
    case Opcode.GatherElements: return argument(step, GatherElementsStep.operation) >= 0 && isRest(argument(step, GatherElementsStep.type));
    default: return false;
  }
}

/** What few networks run. */
function rest(program: usize, step: usize, thread: i32, threads: i32): Status {
  switch (load<i32>(step)) {
    case Opcode.Cumulate:
      cumulate(step, thread, threads);
      break;
    case Opcode.TopK:
      topK(step, thread, threads);
      break;
    case Opcode.Product:
      product(step, thread, threads);
      break;
    case Opcode.MaxPool:
      maxPool(step, thread, threads);
      break;
    case Opcode.GridSample:
      gridSample(step, thread, threads);
      break;
    case Opcode.DeformColumns:
      deformColumns(step, thread, threads);
      break;
    case Opcode.Fold:
      fold(step, thread, threads);
      break;
    case Opcode.Determinant:
      determinant(step, thread, threads);
      break;
    case Opcode.PackKept:
      packKept(step, thread, threads);
      break;
    case Opcode.QuantizeBytes:
      quantizeBytes(step, thread, threads);
      break;
    case Opcode.DequantizeBytes:
      dequantizeBytes(step, thread, threads);
      break;
    case Opcode.PackBytes:
      packBytes(step, thread, threads);
      break;
    case Opcode.PackWeights:
      packWeights(step, thread, threads);
      break;
    case Opcode.QuantizeBlocks:
      quantizeBlocks(step, thread, threads);
      break;
    case Opcode.BlockProduct:
      blockProduct(step, thread, threads);
      break;
    case Opcode.StackDigits:
      stackDigits(step, thread, threads);
      break;
    case Opcode.Trilu:
      trilu(step, thread, threads);
      break;
    case Opcode.Sequence:
      sequence(step, thread, threads);
      break;
    case Opcode.Rotate:
      rotate(step, thread, threads);
      break;
    case Opcode.RoiAlign:
      return roiAlign(program, step, thread, threads);
    case Opcode.MaxRoiPool:
      return maxRoiPool(program, step, thread, threads);
    default:
      return Status.BadOpcode;
  }
  return Status.Ok;
}
