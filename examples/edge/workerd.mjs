// workerd, Cloudflare: a fetch handler. The container is read from a service as it streams in, once per isolate; the core is a module of the bundle.
import { InferenceSession } from "bitbasis/workerd";
import { answerOf, EXPECTED, pictureOf } from "./picture.mjs";

let session;

/** The isolate's session; one that failed is tried again by the next request. */
function opened(env) {
  session ??= env.MODELS.fetch("http://models/model.safetensors").then((response) => InferenceSession.create(response));
  session.catch(() => {
    session = undefined;
  });
  return session;
}

export default {
  async fetch(request, env) {
    const image = await pictureOf(request);
    if (image === undefined) return new Response(EXPECTED, { status: 400 });
    const { logits } = await (await opened(env)).run({ image });
    return new Response(answerOf(logits.data), { headers: { "content-type": "application/json" } });
  },
};
