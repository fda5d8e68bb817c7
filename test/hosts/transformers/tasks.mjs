// transformers.js's pipelines on the models of models.mjs: `node tasks.mjs MODELS [bitbasis]`, in a folder that has both packages. Prints JSON.
const [, , models, runtime] = process.argv;
if (runtime === "bitbasis") await import("bitbasis/transformers");
const { env, pipeline } = await import("@huggingface/transformers");
env.localModelPath = models;
env.allowRemoteModels = false;

const round = (values) => Array.from(values, (value) => Number(value.toFixed(4)));
/** Two seconds of a tone that rises. */
const sound = Float32Array.from({ length: 32_000 }, (_, i) => Math.sin((i * i) / 40_000) / 2);

async function answers(dtype) {
  const options = { dtype };
  const features = await pipeline("feature-extraction", "features", options);
  const vectors = await features(["the cat sat on the mat", "a dog ran"], { pooling: "mean", normalize: true });
  const sentiment = await pipeline("text-classification", "sentiment", options);
  const entities = await pipeline("token-classification", "entities", options);
  const story = await pipeline("text-generation", "story", options);
  const speech = await pipeline("automatic-speech-recognition", "speech", options);
  return {
    features: { dims: vectors.dims, data: round(vectors.data) },
    sentiment: (await sentiment(["the red bird flew over the hill", "a fish"])).map(({ label, score }) => [
      label,
      ...round([score]),
    ]),
    entities: (await entities("the dog slept under the tree")).map(({ entity, word, score }) => [
      entity,
      word,
      ...round([score]),
    ]),
    story: await story("the cat saw", { max_new_tokens: 24, do_sample: false }),
    speech: await speech(sound),
  };
}

const found = {};
for (const dtype of ["fp32", "q8", "q4"]) {
  for (const [task, answer] of Object.entries(await answers(dtype))) found[`${task} ${dtype}`] = answer;
}
console.log(JSON.stringify(found));
process.exit(0);
