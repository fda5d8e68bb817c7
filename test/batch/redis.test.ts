import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openRedis } from "../../src/batch/packages.ts";
import { toNpy } from "../../src/cli/inputs.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { smallModel } from "../pool/models.ts";
import { installed } from "../support/debian.ts";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const ITEMS = 60;

const children: ChildProcess[] = [];
let folder: string;
let port: number;
const redis = installed("redis-server", "redis-server");

function start(command: string, args: readonly string[]): ChildProcess {
  const child = spawn(command, args, { stdio: "ignore" });
  children.push(child);
  return child;
}

function startRedis(): ChildProcess {
  return start("redis-server", [
    "--port",
    String(port),
    "--dir",
    folder,
    "--appendonly",
    "yes",
    "--appendfsync",
    "always",
    "--save",
    "",
  ]);
}

function startWorker(): ChildProcess {
  return start(process.execPath, [MAIN, "worker", "--redis", `redis://127.0.0.1:${port}`, "--workers", "1"]);
}

async function bitbasis(...args: string[]): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk) => {
    stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  const status = await new Promise<number | null>((resolve) => child.once("close", resolve));
  return { status, stdout, stderr };
}

function files(name: string): Record<string, string> {
  const path = join(folder, name);
  const outputs = readdirSync(path).filter((file) => /\.npy$|^results/.test(file));
  return Object.fromEntries(outputs.sort().map((file) => [file, readFileSync(join(path, file)).toString("base64")]));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "bitbasis-redis-"));
  mkdirSync(join(folder, "in"));
  for (let i = 0; i < ITEMS; i++) {
    writeFileSync(join(folder, `in/n${i}.npy`), toNpy(new Tensor("float32", noise(8, i), [2, 4])));
  }
  writeFileSync(join(folder, "model.onnx"), smallModel());
  const probe = createServer().listen(0);
  await new Promise((resolve) => probe.once("listening", resolve));
  port = (probe.address() as AddressInfo).port;
  await new Promise((resolve) => probe.close(resolve));
});
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(folder, { recursive: true });
});

describe("a Redis that is away", () => {
  it("is waited for at first as long as is said, and its password is not told", async () => {
    const [before, start] = [process.getActiveResourcesInfo().length, performance.now()];
    const opening = openRedis(`redis://:secret@127.0.0.1:${port}`, 500);
    const error = await opening.then(
      () => "connected",
      ({ message }: Error) => message,
    );
    expect(error).toBe(`--redis: no Redis at 127.0.0.1:${port} within 0.5 s: connect ECONNREFUSED 127.0.0.1:${port}`);
    expect(performance.now() - start).toBeGreaterThan(490);
    // Nothing goes on trying, so that the command ends.
    await expect.poll(() => process.getActiveResourcesInfo().length, { timeout: 10_000 }).toBeLessThanOrEqual(before);
  });

  it("keeps no worker from ending", { timeout: 60_000 }, async ({ skip }) => {
    if (!redis) skip("there is no redis-server, and it cannot be installed");
    const server = startRedis();
    const worker = spawn(process.execPath, [MAIN, "worker", "--redis", `redis://127.0.0.1:${port}`, "--workers", "1"], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    children.push(worker);
    let stderr = "";
    worker.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    await expect.poll(() => stderr, { timeout: 20_000 }).toContain("ready for jobs");
    server.kill("SIGKILL");
    await expect.poll(() => stderr, { timeout: 20_000 }).toContain("waiting for it");
    const ended = new Promise((resolve) => worker.once("close", resolve));
    worker.kill("SIGINT");
    expect(await ended).toBe(0);
  });
});

describe("bitbasis batch", () => {
  it(
    "runs on the threads of this machine, and on the workers of a Redis to the same bytes",
    { timeout: 240_000 },
    async ({ skip }) => {
      const args = ["batch", join(folder, "model.onnx"), join(folder, "in"), "--json"];
      const local = await bitbasis(...args, "--output", join(folder, "local"), "--workers", "2", "--verify", "10");
      expect(local.stderr).toBe("");
      expect(JSON.parse(local.stdout)).toEqual({
        items: ITEMS,
        resumed: 0,
        computed: ITEMS,
        copied: 0,
        verified: 6,
        failed: [],
      });
      if (!redis) skip("there is no redis-server, and it cannot be installed: only threads were tried");

      let server = startRedis();
      const doomed = startWorker();
      const running = bitbasis(
        ...args,
        "--output",
        join(folder, "remote"),
        "--redis",
        `redis://127.0.0.1:${port}`,
        "--verify",
        "10",
      );
      const done = (): number => {
        try {
          return readFileSync(join(folder, "remote/journal.jsonl"), "utf8").split("\n").length - 1;
        } catch {
          return 0;
        }
      };
      await expect.poll(done, { timeout: 100_000, interval: 20 }).toBeGreaterThan(5);
      doomed.kill("SIGKILL");
      server.kill("SIGKILL");
      await new Promise((resolve) => server.once("exit", resolve));
      server = startRedis();
      startWorker();
      startWorker();
      const { status, stdout } = await running;
      expect(JSON.parse(stdout)).toEqual({
        items: ITEMS,
        resumed: 0,
        computed: ITEMS,
        copied: 0,
        verified: 6,
        failed: [],
      });
      expect(status).toBe(0);
      expect(files("remote")).toEqual(files("local"));

      const sweep = ["sweep", "tables", "--to", "40", "--chunk", "4"];
      const swept = await Promise.all([
        bitbasis(...sweep, "--output", join(folder, "swept"), "--workers", "1"),
        bitbasis(...sweep, "--output", join(folder, "swept-remote"), "--redis", `redis://127.0.0.1:${port}`),
      ]);
      for (const { stdout, stderr } of swept)
        expect(stderr + stdout).toBe("tables 0…39: 40 computed, 0 wrong, 0 jobs failed\n");
      expect(files("swept-remote")).toEqual(files("swept"));
    },
  );

  it("says what it misses", async () => {
    for (const [args, code, message] of [
      [["batch", "m.onnx", "in"], 2, /expected --output DIR/],
      [["batch", "m.onnx", "--output", "x"], 2, /expected inputs/],
      [["batch", "m.onnx", "in", "--output", "x", "--workers", "1", "--verify", "2"], 2, /--verify needs two workers/],
      [["worker"], 2, /expected --redis URL/],
      [["sweep", "tables"], 2, /expected --output DIR/],
      [["sweep", "tabels", "--output", "x"], 2, /no sweep "tabels"; there are tables, maps, experiments/],
      [["sweep", "maps", "--to", "99999", "--output", "x"], 2, /--to expected/],
      [["batch", join(folder, "model.onnx"), join(folder, "none"), "--output", "x"], 1, /names no file/],
    ] as const) {
      const { status, stderr } = await bitbasis(...args);
      expect(stderr).toMatch(message);
      expect(status).toBe(code);
    }
  });

  it("names the input that the model refuses, and does the others", async () => {
    const wrong = join(folder, "wrong");
    mkdirSync(wrong);
    writeFileSync(join(wrong, "good.npy"), toNpy(new Tensor("float32", noise(4, 1), [1, 4])));
    writeFileSync(join(wrong, "bad.npy"), toNpy(new Tensor("float32", noise(4, 1), [4, 1])));
    const { status, stdout, stderr } = await bitbasis(
      "batch",
      join(folder, "model.onnx"),
      wrong,
      "--output",
      join(folder, "some"),
      "--workers",
      "1",
    );
    expect(stderr).toMatch(/"bad": input "x" expected float32 \[N, 4\], got float32 \[4, 1\]/);
    expect([status, stdout]).toEqual([1, "items 2, resumed 0, computed 1, copied 0, verified 0, failed 1\n"]);
  });
});
