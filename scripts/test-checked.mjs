// The tests that run networks, on the checked build of the core (test/support/checked/core.ts): `npm run test:checked [-- folder…]`.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * All that make cores of src/ in their own process. The rest starts the command line, workers or another runtime, which load dist/ (batch, cli, docs, entries, hosts, parallel, pool, runtimes, serve, site, sweep),
 * or makes no core (fixed-point), or takes minutes for each test where a core is slow (experiments).
 */
const FOLDERS = [
  ...[
    "session",
    "program",
    "operators",
    "gemm",
    "model",
    "quantize",
    "series",
    "core",
    "ocr",
    "cases",
    "onnx",
    "graph",
  ],
  ...["export", "receipt", "tensor", "ort", "advise", "networks", "attention", "regimes"],
].map((name) => `test/${name}`);

/** They hold times, or passes over whole networks with a core for each, which take minutes where a core is slow, or are about how the package's own modules are loaded. */
const LEFT_OUT = [
  ...["abort", "gaps", "kernel-times", "limits", "options", "relaxed", "soak", "throttled"].map(
    (name) => `session/${name}`,
  ),
  ...["graph/linear-time", "graph/models", "core/parts", "core/refused-hosts", "ocr/agreement"],
].flatMap((name) => ["--exclude", `test/${name}.test.ts`]);

const vitest = fileURLToPath(new URL("../node_modules/vitest/vitest.mjs", import.meta.url));
const given = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [vitest, "run", ...(given.length > 0 ? given : [...FOLDERS, ...LEFT_OUT])],
  {
    stdio: "inherit",
    env: { ...process.env, BITBASIS_CHECKED: "1" },
  },
);
process.exitCode = status ?? 1;
