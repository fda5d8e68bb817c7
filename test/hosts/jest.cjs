// A test as people write them: CommonJS, in Jest, with the environment of Node or of a page.
const { readFileSync } = require("node:fs");
const { InferenceSession, Tensor } = require("bitbasis");

test("the network answers with the same bits", async () => {
  const picture = Float32Array.from({ length: 28 * 28 }, (_, i) => (Math.imul(i, 2654435761) >>> 8) / 2 ** 24);
  const session = await InferenceSession.create(readFileSync(process.env.MODEL), { preset: "fast" });
  const { logits } = await session.run({ image: new Tensor("float32", picture, [1, 1, 28, 28]) });
  await session.release();
  const bits = Array.from(new Uint32Array(logits.data.buffer), (word) => word.toString(16).padStart(8, "0"));
  expect(bits.join("")).toBe(process.env.EXPECTED);
});
