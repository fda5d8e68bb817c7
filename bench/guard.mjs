// Whether the working tree is as fast as a commit before it:
//
//   npm run build && npm run bench:guard -- [commit, default HEAD~1] [--networks resnet20,fmnist_vit] [--presets float32,faithful,fast] [--rounds 60]
//
// The commit is checked out as a git worktree in build/guard and built there once. Both run in this process in turn, A B then B A, so that both meet the same machine; the figure is
// the median of the ratios of neighbours, in processor time. Outputs are compared first: their cosine is at least 0.999. Exit 1 where a ratio is below 0.97 and, so
// that one bad moment does not count, still is when it is measured again.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { cosine, median } from "../build/tools/examples/ocr/compare.js";
import { locate, NETWORKS, randomPicture } from "../build/tools/test/support/networks.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LEAST = 0.97;
const LEAST_COSINE = 0.999;
const WARM_UP = 5;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    networks: { type: "string", default: NETWORKS.map(({ name }) => name).join(",") },
    presets: { type: "string", default: "float32,faithful,fast" },
    rounds: { type: "string", default: "60" },
  },
});

/** The folder of a commit, built. */
function built(commit) {
  const run = (folder, command, ...args) => execFileSync(command, args, { cwd: folder, encoding: "utf8" }).trim();
  const hash = run(ROOT, "git", "rev-parse", "--verify", `${commit}^{commit}`);
  const folder = `${ROOT}build/guard/${hash}`;
  if (!existsSync(folder)) {
    mkdirSync(`${ROOT}build/guard`, { recursive: true });
    run(ROOT, "git", "worktree", "prune");
    run(ROOT, "git", "worktree", "add", "--detach", folder, hash);
  }
  if (!existsSync(`${folder}/node_modules`)) symlinkSync(`${ROOT}node_modules`, `${folder}/node_modules`);
  if (!existsSync(`${folder}/dist/entries/index.js`)) {
    console.log(`building ${hash.slice(0, 12)}`);
    run(folder, process.execPath, "scripts/build-wasm.mjs");
    run(folder, process.execPath, "node_modules/typescript/bin/tsc", "-p", "tsconfig.build.json");
  }
  return folder;
}

/** A session that runs the network once, and gives the first output's elements. */
async function contestant({ InferenceSession, Tensor }, onnx, network, preset) {
  const session = await InferenceSession.create(onnx, { preset });
  const shape = network.shapes[0];
  const feeds = { [network.input]: new Tensor("float32", randomPicture(1, shape, network), shape) };
  const run = async () => (await session.run(feeds))[session.outputNames[0]].data;
  return { run, release: () => session.release() };
}

/** Microseconds of the processor, of a run. */
async function cost({ run }) {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

async function ratioOf(before, now) {
  const ratios = [];
  for (let i = 0; i < WARM_UP; i++) {
    await before.run();
    await now.run();
  }
  for (let i = 0; i < Number(options.rounds); i++) {
    const [first, second] = i % 2 === 0 ? [before, now] : [now, before];
    const [a, b] = [await cost(first), await cost(second)];
    ratios.push(i % 2 === 0 ? a / b : b / a);
  }
  return median(ratios);
}

const folder = built(positionals[0] ?? "HEAD~1");
const [before, now] = [await import(`${folder}/dist/entries/index.js`), await import("../dist/entries/index.js")];
let slower = 0;
for (const name of options.networks.split(",")) {
  const network = NETWORKS.find((one) => one.name === name);
  if (network === undefined)
    throw new RangeError(`"networks" expected names of test/support/networks.ts, got "${name}"`);
  const place = locate(network, ROOT);
  if ("missing" in place) {
    console.log(`${name} skipped: ${place.missing}`);
    continue;
  }
  const onnx = new Uint8Array(readFileSync(place.path));
  for (const preset of options.presets.split(",")) {
    const pair = [await contestant(before, onnx, network, preset), await contestant(now, onnx, network, preset)];
    const [expected, got] = [Float32Array.from(await pair[0].run()), await pair[1].run()];
    const agreement = cosine(got, expected);
    if (!(agreement >= LEAST_COSINE)) throw new Error(`${name} ${preset}: cosine ${agreement} to the commit before`);
    let ratio = await ratioOf(...pair);
    if (ratio < LEAST) ratio = await ratioOf(...pair);
    if (ratio < LEAST) slower++;
    const verdict = ratio < LEAST ? `slower than ${LEAST}` : "";
    console.log(`${name.padEnd(18)} ${preset.padEnd(9)} ${ratio.toFixed(3)} times as fast ${verdict}`.trimEnd());
    for (const one of pair) await one.release();
  }
}
process.exitCode = slower > 0 ? 1 : 0;
