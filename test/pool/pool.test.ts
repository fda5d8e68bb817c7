import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type * as Source from "../../src/pool/index.ts";
import { InferenceSession } from "../../src/session/session.ts";
import { Tensor } from "../../src/tensor/index.ts";
import { noise } from "../model/models.ts";
import { slowModel, smallModel } from "./models.ts";

// Threads cannot load TypeScript: these are the files of dist/, which the global setup keeps fresh.
const DIST = "../../dist/pool/index.js";
const { Pool, PoolFull, poolModel, WorkerLost } = (await import(DIST)) as typeof Source;

const rows = (n: number, width: number, seed = 5): Source.Parcel => ({
  type: "float32",
  dims: [n, width],
  data: noise(n * width, seed),
});
const slow = { model: "slow" };

let pool: Source.Pool;
const lost: string[] = [];
beforeAll(async () => {
  const models = [await poolModel("small", smallModel()), await poolModel("slow", slowModel(), { preset: "float32" })];
  pool = await Pool.open(models, { workers: 2, queue: 3, onLost: (reason) => lost.push(reason) });
});
afterAll(() => pool.close());

describe("a pool", () => {
  it("gives the bits of a session, in whatever worker", async () => {
    const session = await InferenceSession.create(smallModel());
    const { y } = await session.run({ x: new Tensor("float32", noise(8, 5), [2, 4]) });
    await session.release();
    for (const except of [undefined, 0, 1]) {
      const { outputs, worker } = await pool.run({ model: "small", feeds: { x: rows(2, 4) }, except });
      expect(outputs["y"]).toEqual({ type: y!.type, dims: y!.dims, data: y!.data });
      expect(worker).not.toBe(except);
    }
  });

  it("knows its models", () => {
    expect(pool.models.get("small")).toMatchObject({
      inputs: [{ name: "x", type: "float32", shape: ["N", 4] }],
      terms: 4,
    });
    expect(pool.models.get("small")!.digest).toMatch(/^[0-9a-f]{64}$/);
  });

  it("hands on errors by their class, and runs on", async () => {
    const run = (feeds: Source.Parcels): Promise<unknown> => pool.run({ model: "small", feeds });
    await expect(run({})).rejects.toThrow(TypeError);
    await expect(run({ x: rows(2, 3) })).rejects.toThrow(/expected float32 \[N, 4\]/);
    await expect(run({ x: rows(2, 4), q: rows(1, 1) })).rejects.toThrow(RangeError);
    await run({ x: rows(1, 4) });
  });

  it("takes Tensors as feeds, and says what is none", async () => {
    const x = new Tensor("float32", noise(8, 5), [2, 4]);
    const { outputs } = await pool.run({ model: "small", feeds: { x: rows(2, 4) } });
    expect((await pool.run({ model: "small", feeds: { x } })).outputs).toEqual(outputs);
    for (const wrong of [null, 3, "x", { y: null }, { x: 3 }, { x: {} }]) {
      await expect(pool.run({ model: "small", feeds: wrong as unknown as Source.Parcels })).rejects.toThrow(
        /^(feeds|the feed) .*expected/,
      );
    }
    const gone = new Tensor("float32", noise(8, 5), [2, 4]);
    gone.dispose();
    await expect(pool.run({ model: "small", feeds: { x: gone } })).rejects.toThrow("disposed");
    await expect(pool.run({ model: "smal", feeds: {} })).rejects.toThrow('expected one of "small", "slow", got "smal"');
    expect(pool.busy).toBe(0);
  });

  it("refuses a buffer that it was given before, and runs on", async () => {
    const x = rows(2, 4);
    await pool.run({ model: "small", feeds: { x } });
    await expect(pool.run({ model: "small", feeds: { x } })).rejects.toThrow(TypeError);
    expect(pool.busy).toBe(0);
    for (const except of [0, 1]) await pool.run({ model: "small", feeds: { x: rows(1, 4) }, except });
  });

  it("aborts what waits and what runs", async () => {
    const controllers = [0, 1, 2].map(() => new AbortController());
    const runs = controllers.map(({ signal }) => pool.run({ ...slow, feeds: { x: rows(1000, 512) }, signal }));
    expect([pool.busy, pool.queued]).toEqual([2, 1]);
    for (const [i, controller] of controllers.entries()) controller.abort(new Error(`stop ${i}`));
    const settled = await Promise.allSettled(runs);
    expect(settled.map((one) => (one as PromiseRejectedResult).reason?.message)).toEqual([
      "stop 0",
      "stop 1",
      "stop 2",
    ]);
    expect([pool.busy, pool.queued]).toEqual([0, 0]);
    await expect(pool.run({ ...slow, feeds: {}, signal: AbortSignal.abort(new Error("before")) })).rejects.toThrow(
      "before",
    );
    expect(lost).toEqual([]);
  });

  it("refuses what is more than its queue takes", async () => {
    const controller = new AbortController();
    const taken = [1, 2, 3, 4, 5].map(() =>
      pool.run({ ...slow, feeds: { x: rows(1000, 512) }, signal: controller.signal }),
    );
    await expect(pool.run({ model: "small", feeds: { x: rows(1, 4) } })).rejects.toThrow(PoolFull);
    controller.abort(new Error("stop"));
    expect((await Promise.allSettled(taken)).every(({ status }) => status === "rejected")).toBe(true);
  });

  it("loses with a worker the run that was in it, no other, and replaces it", async () => {
    const victim = pool.run({ ...slow, feeds: { x: rows(1000, 512) } });
    const others = [1, 2, 3].map((n) => pool.run({ model: "small", feeds: { x: rows(n, 4) } }));
    await pool.threads[0]!.terminate();
    await expect(victim).rejects.toThrow(WorkerLost);
    expect((await Promise.all(others)).map(({ outputs }) => outputs["y"]!.dims)).toEqual([
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    expect(lost).toEqual(["the worker ended"]);
    await expect.poll(() => pool.threads.length, { timeout: 30_000 }).toBe(2);
    await pool.run({ model: "small", feeds: { x: rows(1, 4) }, except: 1 });
  });

  it("says why a model does not open", async () => {
    const model = await poolModel("small", smallModel());
    await expect(Pool.open([{ ...model, bytes: model.bytes.slice(0, 100) }], { workers: 1 })).rejects.toThrow(
      /cut short|truncated|ends|damaged/,
    );
  });

  it("closes after what it was given", async () => {
    const own = await Pool.open([await poolModel("small", smallModel())], { workers: 1 });
    const runs = [1, 2, 3].map((n) => own.run({ model: "small", feeds: { x: rows(n, 4) } }));
    await own.close();
    expect(await Promise.all(runs)).toHaveLength(3);
    expect(own.threads).toEqual([]);
  });
});
