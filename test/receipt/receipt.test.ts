import { beforeAll, describe, expect, it } from "vitest";
import { InferenceSession, type SessionOptions, Tensor } from "../../src/entries/index.ts";
import { type QuantizeOptions, quantize } from "../../src/entries/quantize.ts";
import { NUMERICS, parseReceipt, type Receipt, receipt, receiptText, verify } from "../../src/entries/receipt.ts";
import type { GraphProto } from "../../src/onnx/schema.ts";
import { receiptDigest } from "../../src/receipt/receipt.ts";
import { encode, nodeProto, valueProto } from "../onnx/proto.ts";
import { FEEDS, onnxModel, PLAN } from "./models.ts";

const ONNX = onnxModel();

async function runOf(
  source: Uint8Array,
  options: SessionOptions = {},
): Promise<{ proof: Receipt; outputs: Record<string, Tensor> }> {
  const session = await InferenceSession.create(source, options);
  const outputs = await session.run(FEEDS);
  const proof = await receipt(session, FEEDS, outputs);
  await session.release();
  return { proof, outputs };
}

/** The receipt with a statement changed, and a digest that fits. */
function forged(proof: Receipt, change: Partial<Receipt>): Receipt {
  const { sha256: _digest, onnx: _onnx, ...stated } = { ...proof, ...change };
  return { ...stated, sha256: receiptDigest(stated) };
}

let container: Uint8Array;
let proof: Receipt;
let outputs: Record<string, Tensor>;
beforeAll(async () => {
  container = (await quantize(ONNX, { plan: PLAN })).bytes;
  ({ proof, outputs } = await runOf(container));
});

describe("a receipt", () => {
  it.each<[string, QuantizeOptions & { check?: boolean }]>([
    ["a plan", { plan: PLAN }],
    ["a preset", { preset: "compact" }],
    ["a plan beside a preset", { preset: "fast", plan: PLAN }],
    ["a plan that is measured while loading", { preset: "compact", check: true }],
    ["neither", {}],
  ])("is the same for a source and its container, under %s, in both builds, and either verifies it", async (_, how) => {
    // What a session does unless it is told otherwise.
    const { bytes } = await quantize(ONNX, { check: false, ...how });
    const { proof: ofOnnx, outputs: made } = await runOf(ONNX, { ...how, build: "scalar" });
    const { proof: ofContainer } = await runOf(bytes, { build: "simd" });
    expect(ofContainer).toEqual(ofOnnx);
    expect(receiptText(ofContainer)).toBe(receiptText(ofOnnx));
    expect(await verify(ofOnnx, bytes, FEEDS, made)).toEqual({ ok: true });
    expect(await verify(receiptText(ofContainer), ONNX, FEEDS)).toEqual({ ok: true });
  });

  it("is canonical JSON of integers and texts", () => {
    const text = receiptText(proof);
    expect(text.replaceAll(/"(\\.|[^"\\])*"/g, "")).toMatch(/^[{}:,\d]+$/);
    expect(text.indexOf('"2":')).toBeGreaterThan(0);
    expect(text.indexOf('"2":')).toBeLessThan(text.indexOf('"probabilities":'));
    expect(text.indexOf('"inputs"')).toBeLessThan(text.indexOf('"model"'));
    expect(receiptText(parseReceipt(text))).toBe(text);
    expect(JSON.parse(proof.model.plan)).toEqual(PLAN);
  });

  it("has the ONNX digest beside it, which changes nothing else", async () => {
    const session = await InferenceSession.create(ONNX, { plan: PLAN });
    const { onnx, ...rest } = await receipt(session, FEEDS, await session.run(FEEDS), ONNX);
    await session.release();
    expect(onnx).toMatch(/^[0-9a-f]{64}$/);
    expect(rest).toEqual(proof);
    expect(await verify({ ...rest, onnx: onnx! }, container, FEEDS)).toEqual({ ok: true });
  });

  it("states which terms were in use: limited or streamed, of source or container, each verified at its stage", async () => {
    expect(proof.terms).toEqual({ loaded: 3, total: 3 });
    const session = await InferenceSession.create(new Blob([container as BlobPart]), { progressive: true });
    for (const loaded of [1, 2, 3]) {
      const made = await session.run(FEEDS);
      const stage = await receipt(session, FEEDS, made);
      expect(stage.terms).toEqual({ loaded, total: 3 });
      expect(stage.model).toEqual(proof.model);
      expect((await runOf(ONNX, { plan: PLAN, terms: loaded })).proof).toEqual(stage);
      expect(await verify(stage, container, FEEDS, made)).toEqual({ ok: true });
      expect(await session.refine()).toBe(loaded < 3);
    }
    await session.release();
    const wrong = forged(proof, { terms: { loaded: 2, total: 3 } });
    expect(await verify(wrong, container, FEEDS)).toMatchObject({ ok: false });
  });

  it("covers the outputs that were fetched, and takes bare arrays and tensors of others", async () => {
    const session = await InferenceSession.create(container, { freeDimensionOverrides: { N: 2 } });
    const feeds = { image: FEEDS.image.data as Float32Array, "7": { ...FEEDS["7"], data: FEEDS["7"].data } };
    const made = await session.run(feeds, ["2"]);
    const partial = await receipt(session, feeds, made);
    expect(partial.inputs).toEqual(proof.inputs);
    expect(partial.outputs).toEqual({ "2": proof.outputs["2"] });
    expect(await verify(partial, container, FEEDS, made)).toEqual({ ok: true });
    await expect(receipt(session, feeds, {})).rejects.toThrow("at least one output");
    await expect(receipt(session, feeds, { other: made["2"]! })).rejects.toThrow(
      'expected "probabilities", "2", got "other"',
    );
    await expect(receipt(session, { image: feeds.image }, made)).rejects.toThrow('input "7" expected int64');
    await session.release();
    await expect(receipt(session, feeds, made)).rejects.toMatchObject({ code: "RELEASED" });
  });

  it("is refused where a run feeds an initializer, which a container has as a constant", async () => {
    const model = encode({
      input: [valueProto("x", [1]), valueProto("scale", [])],
      output: [valueProto("y", [1])],
      node: [nodeProto("Mul", ["x", "scale"], ["y"])],
      initializer: [{ name: "scale", dims: [], data_type: 1, float_data: [2] }] as unknown as GraphProto["initializer"],
    });
    const session = await InferenceSession.create(model);
    const x = new Tensor("float32", [3]);
    const feeds = { x, scale: new Tensor("float32", [5], []) };
    await expect(receipt(session, feeds, await session.run(feeds))).rejects.toThrow('"scale" is an initializer');
    const plain = await receipt(session, { x }, await session.run({ x }));
    expect(await verify(plain, (await quantize(model, { check: false })).bytes, { x })).toEqual({ ok: true });
    await session.release();
  });
});

describe("verify", () => {
  it("says which element of a claimed output differs, and how", async () => {
    const data = (outputs["2"]!.data as Float32Array).slice();
    const expected = data[5]!;
    data[5] = expected + 1;
    data[6] = 0;
    const claimed = { ...outputs, "2": new Tensor("float32", data, [2, 4]) };
    expect(await verify(proof, container, FEEDS, claimed)).toEqual({
      ok: false,
      differs: { output: "2", index: 5, expected, got: data[5] },
    });
    const turned = { "2": outputs["2"]!.reshape([4, 2]) };
    expect(await verify(proof, container, FEEDS, turned)).toEqual({
      ok: false,
      differs: { output: "2", expected: "float32 [2, 4]", got: "float32 [4, 2]" },
    });
  });

  it("finds a false receipt by its digests, and where, given the outputs that it was made for", async () => {
    const data = (outputs["probabilities"]!.data as Float32Array).slice();
    data[0] = 0;
    const claimed = { probabilities: new Tensor("float32", data, [2, 4]) };
    const session = await InferenceSession.create(container);
    const lie = await receipt(session, FEEDS, claimed);
    await session.release();
    expect(await verify(lie, container, FEEDS)).toEqual({ ok: false, differs: { output: "probabilities" } });
    expect(await verify(lie, container, FEEDS, claimed)).toMatchObject({ differs: { index: 0, got: 0 } });
    // The true outputs are no way around it.
    const { probabilities } = outputs;
    expect(await verify(lie, container, FEEDS, { probabilities: probabilities! })).toMatchObject({ ok: false });
  });

  it("refuses another model, ONNX or container, and a plan that does not fit", async () => {
    const sentence = {
      code: "RECEIPT",
      message: expect.stringMatching(
        /of another model: expected [0-9a-f]{64}, got [0-9a-f]{64}( of the container that this ONNX file yields)?$/,
      ),
    };
    const other = onnxModel(99);
    await expect(verify(proof, other, FEEDS)).rejects.toMatchObject(sentence);
    await expect(verify(proof, (await quantize(other)).bytes, FEEDS)).rejects.toMatchObject(sentence);
    const { proof: preset } = await runOf(ONNX, { preset: "fast" });
    await expect(verify(preset, other, FEEDS)).rejects.toMatchObject(sentence);
    const plan = JSON.stringify({ ...PLAN, layers: { nowhere: PLAN.default } });
    const unfit = forged(proof, { model: { ...proof.model, plan } });
    await expect(verify(unfit, ONNX, FEEDS)).rejects.toThrow("got one that its plan does not fit");
    await expect(verify(proof, Uint8Array.of(1, 2, 3), FEEDS)).rejects.toMatchObject({ code: "MODEL" });
  });

  it("refuses other inputs, by name", async () => {
    const feeds = { ...FEEDS, "7": new Tensor("int64", BigInt64Array.of(3n, 8n), [2]) };
    await expect(verify(proof, container, feeds)).rejects.toMatchObject({
      code: "RECEIPT",
      message: expect.stringContaining('of another input "7": expected'),
    });
    await expect(verify(proof, container, {})).rejects.toThrow('input "7" expected int64 [N], got nothing');
    await expect(verify(proof, container, FEEDS, { other: outputs["2"]! })).rejects.toThrow('got "other"');
  });

  it("refuses another numerics version, and says which release is wanted", async () => {
    const later = forged(proof, { numerics: NUMERICS + 1 });
    await expect(verify(later, container, FEEDS)).rejects.toMatchObject({
      code: "UNSUPPORTED",
      message: `the receipt was made under numerics version ${NUMERICS + 1}, this release computes under ${NUMERICS}: verify it with one of version ${NUMERICS + 1}`,
    });
  });

  it("refuses whatever is no receipt, with every character of one changed", () => {
    const text = receiptText(proof);
    for (let at = 0; at < text.length; at++) {
      const changed = `${text.slice(0, at)}${text[at] === "1" ? "2" : "1"}${text.slice(at + 1)}`;
      expect(() => parseReceipt(changed), changed).toThrow(expect.objectContaining({ code: "RECEIPT" }));
    }
    for (const [value, why] of [
      ["", "no JSON"],
      [text.slice(0, -1), "no JSON"],
      ["null", "expected the JSON of a receipt"],
      [[proof], "expected the JSON of a receipt"],
      [{ ...proof, receipt: 2 }, "version 1, got 2"],
      [{ ...proof, more: 1 }, 'the field "more"'],
      [{ ...proof, sha256: undefined }, "does not match its digest"],
      [{ ...proof, onnx: "a" }, '"onnx"'],
      [forged(proof, { numerics: 0.5 }), '"numerics"'],
      [forged(proof, { terms: { loaded: 4, total: 3 } }), "4 of 3 terms"],
      [forged(proof, { terms: { loaded: 0, total: 3 } }), '"terms"'],
      [forged(proof, { outputs: { y: "0" } }), '"outputs"'],
      [forged(proof, { model: { ...proof.model, plan: "{}" } }), '"model.plan"'],
    ] as const) {
      expect(() => parseReceipt(value)).toThrow(why);
    }
  });
});
