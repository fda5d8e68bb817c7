// opcode → kernel: the only dispatch inside WASM. Steps are described in src/core/abi/.
import { Opcode } from "../src/core/abi/opcode";
import { Program, Status } from "../src/core/abi/program";
import { depthwiseF32, depthwiseI16 } from "./depthwise/depthwise";
import { convF32, convI16 } from "./gemm/conv";
import { packF32, packRight } from "./tensor/pack";
import { quantize } from "./tensor/quantize";
import { range } from "./tensor/range";
import { binary, compare } from "./tensor/binary";
import { canonicalize, cast } from "./tensor/cast";
import { copy, fill } from "./tensor/copy";
import { gather, gatherElements } from "./tensor/gather";
import { layerNorm, softmax } from "./tensor/normalize";
import { pool, resize } from "./tensor/pool";
import { arg, reduce } from "./tensor/reduce";
import { product } from "./tensor/product";
import { cumulate, sequence } from "./tensor/sequence";
import { topK } from "./tensor/topk";
import { unary } from "./tensor/unary";
import { where } from "./tensor/where";

export function run(program: usize, first: i32, count: i32, thread: i32, threads: i32): i32 {
  if (load<i32>(program) != Program.Magic || load<i32>(program, 4) != Program.Version) return Status.BadProgram;
  if (first < 0 || count < 0 || first + count > load<i32>(program, 8)) return Status.BadProgram;
  let table = program + ((<usize>Program.HeaderWords + <usize>first) << 2);
  let status = Status.Ok;
  for (let i = 0; i < count; i++, table += 4) {
    let step = <usize>load<u32>(table);
    if (dispatch(step, thread, threads)) continue;
    // a bad index is one thread's news: go on, so that the others do not wait for this one
    let opcode = load<i32>(step);
    if (opcode != Opcode.Gather && opcode != Opcode.GatherElements) return Status.BadOpcode;
    status = Status.BadIndex;
  }
  return status;
}

function dispatch(step: usize, thread: i32, threads: i32): bool {
  switch (load<i32>(step)) {
    case Opcode.Range:
      range(step, thread, threads);
      return true;
    case Opcode.Quantize:
      quantize(step, thread, threads);
      return true;
    case Opcode.PackRight:
      packRight(step, thread, threads);
      return true;
    case Opcode.ConvI16:
      convI16(step, thread, threads);
      return true;
    case Opcode.ConvF32:
      convF32(step, thread, threads);
      return true;
    case Opcode.DepthwiseI16:
      depthwiseI16(step, thread, threads);
      return true;
    case Opcode.DepthwiseF32:
      depthwiseF32(step, thread, threads);
      return true;
    case Opcode.PackF32:
      packF32(step, thread, threads);
      return true;
    case Opcode.Unary:
      unary(step, thread, threads);
      return true;
    case Opcode.Binary:
      binary(step, thread, threads);
      return true;
    case Opcode.Compare:
      compare(step, thread, threads);
      return true;
    case Opcode.Where:
      where(step, thread, threads);
      return true;
    case Opcode.Cast:
      cast(step, thread, threads);
      return true;
    case Opcode.Pool:
      pool(step, thread, threads);
      return true;
    case Opcode.Reduce:
      reduce(step, thread, threads);
      return true;
    case Opcode.Softmax:
      softmax(step, thread, threads);
      return true;
    case Opcode.LayerNorm:
      layerNorm(step, thread, threads);
      return true;
    case Opcode.Copy:
      copy(step, thread, threads);
      return true;
    case Opcode.Fill:
      fill(step, thread, threads);
      return true;
    case Opcode.Resize:
      resize(step, thread, threads);
      return true;
    case Opcode.Canonicalize:
      canonicalize(step, thread, threads);
      return true;
    case Opcode.Sequence:
      sequence(step, thread, threads);
      return true;
    case Opcode.Arg:
      arg(step, thread, threads);
      return true;
    case Opcode.Cumulate:
      cumulate(step, thread, threads);
      return true;
    case Opcode.TopK:
      topK(step, thread, threads);
      return true;
    case Opcode.Product:
      product(step, thread, threads);
      return true;
    case Opcode.Gather:
      return gather(step, thread, threads);
    case Opcode.GatherElements:
      return gatherElements(step, thread, threads);
    default:
      return false;
  }
}
