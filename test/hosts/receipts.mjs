// Receipts in a page and in Node: of a preset, of a plan that is measured while loading, and of the container of the same plan. Their digests are the answer.
import { InferenceSession, Tensor } from "bitbasis";
import { quantize } from "bitbasis/quantize";
import { receipt, receiptText, verify } from "bitbasis/receipt";

const WAYS = [{ preset: "float32" }, { preset: "faithful" }, { preset: "compact", check: true }];

export async function main(model) {
  const onnx = new Uint8Array(model);
  const picture = Float32Array.from({ length: 28 * 28 }, (_, i) => (Math.imul(i, 2654435761) >>> 8) / 2 ** 24);
  const feeds = { image: new Tensor("float32", picture, [1, 1, 28, 28]) };
  const proofOf = async (source, options) => {
    const session = await InferenceSession.create(source, options);
    const outputs = await session.run(feeds);
    const proof = await receipt(session, feeds, outputs);
    await session.release();
    return { proof, outputs };
  };
  const digests = [];
  for (const way of WAYS) {
    const { proof, outputs } = await proofOf(onnx, way);
    const { bytes } = await quantize(onnx, { check: false, ...way });
    const { proof: ofContainer } = await proofOf(bytes, {});
    if (receiptText(ofContainer) !== receiptText(proof))
      throw new Error(`${proof.model.preset}: the container has another`);
    for (const source of [onnx, bytes]) {
      const { ok } = await verify(receiptText(proof), source, feeds, outputs);
      if (!ok) throw new Error(`${proof.model.preset}: not verified`);
    }
    outputs.logits.data[3] += 1;
    const { ok, differs } = await verify(proof, bytes, feeds, outputs);
    if (ok || differs.index !== 3) throw new Error(`${proof.model.preset}: a claimed output that differs is not found`);
    digests.push(proof.sha256);
  }
  return digests.join(" ");
}
