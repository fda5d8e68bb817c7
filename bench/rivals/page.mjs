// In the page: loads every engine, compares the outputs, then times them in turn. With ?only=ENGINE: how long that one takes to its first output, in a browser that has just been started.
import { cosine, median } from "./compare.js";
import { engines } from "./engines.mjs";

const report = (found) => fetch("/report/found", { method: "POST", body: JSON.stringify(found) });

try {
  await report(await measure());
} catch (error) {
  await report({ error: `${error.stack ?? error}` });
}

async function measure() {
  const { seconds, shape, tolerance, network } = await (await fetch("/job.json")).json();
  const bytes = async (name) => new Uint8Array(await (await fetch(`/${name}`)).arrayBuffer());
  const numbers = async (name) => new Float32Array(await (await fetch(`/${name}`)).arrayBuffer());
  const files = {};
  for (const name of ["onnx", "container", "float32", "weights", "int8"]) files[name] = await bytes(`model.${name}`);
  const [channelsFirst, channelsLast] = [await numbers("first.bin"), await numbers("last.bin")];
  for (const layer of network.layers) {
    if (layer.weights === undefined) continue;
    const from = await numbers(`weights/${layer.weights}.bin`);
    layer.weights = from;
    layer.bias = await numbers(`weights/${layer.bias}.bin`);
  }
  const [contestants, results] = [[], {}];
  const only = new URLSearchParams(location.search).get("only");
  for (const [name, load] of Object.entries(engines({ shape, channelsFirst, channelsLast, network, files }))) {
    if (only !== null && name !== only) continue;
    results[name] = {};
    const start = performance.now();
    try {
      const run = await load();
      const output = await run();
      results[name].firstMs = performance.now() - start;
      contestants.push({ name, run, output });
    } catch (error) {
      results[name].error = `${error.message ?? error}`;
    }
  }
  if (only !== null) return { results };
  const exact = contestants[0].output;
  const timed = contestants.filter(({ name, output }) => {
    const found = cosine(output, exact);
    results[name].cosine = found;
    if (!(found >= (tolerance[name] ?? tolerance.other)))
      results[name].error = `its output is another one: cosine ${found}`;
    return results[name].error === undefined;
  });
  for (const { run } of timed) await repeat(run, 300);
  const times = new Map(timed.map(({ name }) => [name, []]));
  const end = performance.now() + seconds * 1000;
  while (performance.now() < end) for (const { name, run } of timed) times.get(name).push(await repeat(run, 60));
  const rival = times.get(timed[0].name);
  for (const [name, all] of times)
    Object.assign(results[name], {
      runMs: median(all),
      ratio: median(all.map((ms, i) => rival[i] / ms)),
      rounds: all.length,
    });
  return { results, agent: navigator.userAgent };
}

/** Milliseconds of one run, of as many as fit into `budget` milliseconds. */
async function repeat(run, budget) {
  const start = performance.now();
  let runs = 0;
  do {
    await run();
    runs++;
  } while (performance.now() - start < budget);
  return (performance.now() - start) / runs;
}
