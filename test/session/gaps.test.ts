// An abort is honoured between pieces of the work: how much CPU time passes from turn to turn of the event loop while large steps run.
import { describe, expect, it } from "vitest";
import { InferenceSession, Tensor } from "../../src/entries/index.ts";
import { writeOnnx } from "../../src/onnx/index.ts";
import { build, i64, type NodeSpec } from "../graph/build.ts";

/** The largest CPU time, in milliseconds, between two turns of the event loop, and all of it. */
async function gapsOf(work: Promise<unknown>): Promise<{ longest: number; whole: number }> {
  let [longest, done] = [0, false];
  const milliseconds = (since: NodeJS.CpuUsage): number => {
    const { user, system } = process.cpuUsage(since);
    return (user + system) / 1000;
  };
  const start = process.cpuUsage();
  let last = start;
  const watch = (): void => {
    longest = Math.max(longest, milliseconds(last));
    last = process.cpuUsage();
    if (!done) setImmediate(watch);
  };
  setImmediate(watch);
  await work;
  done = true;
  return { longest, whole: milliseconds(start) };
}

const filled = (type: "float32" | "bool"): NodeSpec => [
  "ConstantOfShape",
  ["s"],
  ["x"],
  { value: new Tensor(type, [1]) },
];

describe("turns of the event loop", () => {
  it.each<[string, number, readonly NodeSpec[]]>([
    [
      "a sequence that is joined",
      2 ** 22,
      [
        filled("float32"),
        ["SequenceConstruct", new Array<string>(16).fill("x"), ["q"]],
        ["ConcatFromSequence", ["q"], ["z"], { axis: 0 }],
        ["ReduceMax", ["z"], ["y"]],
      ],
    ],
    ["Unique", 2 ** 20, [filled("float32"), ["Unique", ["x"], ["y"]]]],
    ["NonZero", 2 ** 22, [filled("bool"), ["NonZero", ["x"], ["y"]]]],
    ["Compress", 2 ** 22, [filled("bool"), ["Compress", ["x", "x"], ["y"]]]],
  ])("come within 50 ms of CPU: %s", async (_, size, nodes) => {
    const graph = build({ s: { type: "int64", shape: [1] } }, {}, nodes, ["y"]);
    const session = await InferenceSession.create(writeOnnx(graph), { preset: "float32" });
    const found = [];
    for (let i = 0; i < 3; i++)
      found.push(await gapsOf(session.run({ s: i64(size) }, { signal: new AbortController().signal })));
    // Else it would be no wonder.
    expect(Math.max(...found.map(({ whole }) => whole))).toBeGreaterThan(50);
    expect(Math.min(...found.map(({ longest }) => longest))).toBeLessThan(50);
    await session.release();
  });
});
