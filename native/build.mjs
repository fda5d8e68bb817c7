// Makes the C library: node native/build.mjs [FOLDER] writes bitbasis.h, libbitbasis.a and the example `run` into FOLDER (build/native). It needs wasm2c of
// wabt 1.0.32 (Debian's `wabt`), a C11 compiler (CC, else cc) and ar.
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));
const folder = process.argv[2] ?? `${root}build/native`;
mkdirSync(folder, { recursive: true });

// The same bits as everywhere: every operation is rounded, none are contracted; and memory is read as other types than it was written as.
const FLAGS = [
  ...["-std=c11", "-O2", "-ffp-contract=off", "-fno-strict-aliasing"],
  // Every access is compared with the block's size, no signals are caught, and no calls are counted: the core does not recurse.
  ...["-DWASM_RT_MEMCHECK_SIGNAL_HANDLER=0", "-DWASM_RT_USE_STACK_DEPTH_COUNT=0"],
];

function make(command, ...options) {
  const { status, error } = spawnSync(command, options, { cwd: folder, stdio: "inherit" });
  if (error !== undefined) console.error(`${command} cannot be run: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

const cc = process.env.CC ?? "cc";
make("wasm2c", `${root}build/bitbasis-scalar.wasm`, "--module-name", "bitbasis", "-o", "core.c");
copyFileSync(`${root}build/bitbasis.h`, `${folder}/bitbasis.h`);
make(cc, ...FLAGS, "-w", "-c", "core.c");
make(cc, ...FLAGS, "-Wall", "-Wextra", "-I.", "-c", `${root}native/bitbasis.c`);
make("ar", "rcs", "libbitbasis.a", "core.o", "bitbasis.o");
make(cc, ...FLAGS, "-Wall", "-Wextra", "-I.", `${root}native/run.c`, "-L.", "-lbitbasis", "-lm", "-o", "run");
