// opcode → kernel: the only dispatch inside WASM. Steps are described in src/core/abi/.
import { Opcode } from "../src/core/abi/opcode";
import { Program, Status } from "../src/core/abi/program";

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
    default:
      return false;
  }
}
