// A browser's Service Worker: pages post pictures to `classify`, which needs no network once the container is in the cache.
import { InferenceSession } from "bitbasis";
import { answerOf, EXPECTED, pictureOf } from "./picture.mjs";

/** A new model gets a new name. */
const CACHE = "bitbasis-model-1";
const MODEL = new URL("model.safetensors", location.href).href;

let session;

/** The container from the cache, else from the network into it: whole, since a cache takes no response that was cut short. */
async function container() {
  const cache = await caches.open(CACHE);
  if ((await cache.match(MODEL)) === undefined) await cache.add(MODEL);
  return cache.match(MODEL);
}

/** A worker is stopped when it is idle, and its session with it; the next one opens the cached container. */
function opened() {
  session ??= container().then((response) => InferenceSession.create(response));
  session.catch(() => {
    session = undefined;
  });
  return session;
}

async function classify(request) {
  const image = await pictureOf(request);
  if (image === undefined) return new Response(EXPECTED, { status: 400 });
  const { logits } = await (await opened()).run({ image });
  return new Response(answerOf(logits.data), { headers: { "content-type": "application/json" } });
}

addEventListener("install", (event) => event.waitUntil(container().then(() => skipWaiting())));
addEventListener("activate", (event) => event.waitUntil(clients.claim()));
addEventListener("fetch", (event) => {
  if (new URL(event.request.url).pathname.endsWith("/classify")) event.respondWith(classify(event.request));
});
