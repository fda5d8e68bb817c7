// opcode → kernel: the only dispatch inside WASM. Steps are described in src/core/abi/.
import { Opcode } from "../src/core/abi/opcode";
import { Program, Status } from "../src/core/abi/program";
import { depthwiseF32, depthwiseI16 } from "./depthwise/depthwise";
import { convF32, convI16 } from "./gemm/conv";
import { packF32, packRight } from "./tensor/pack";
import { quantize } from "./tensor/quantize";
import { range } from "./tensor/range";

export function run(program: usize, first: i32, count: i32, thread: i32, threads: i32): i32 {
  if (load<i32>(program) != Program.Magic || load<i32>(program, 4) != Program.Version) return Status.BadProgram;
  if (first < 0 || count < 0 || first + count > load<i32>(program, 8)) return Status.BadProgram;
  let table = program + ((<usize>Program.HeaderWords + <usize>first) << 2);
  for (let i = 0; i < count; i++, table += 4) {
    if (!dispatch(load<u32>(table), thread, threads)) return Status.BadOpcode;
  }
  return Status.Ok;
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
    default:
      return false;
  }
}
