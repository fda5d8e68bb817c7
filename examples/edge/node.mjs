// Node: an HTTP server that answers from a pool of worker threads, so that no run holds up a connection: node node.mjs MODEL [PORT]
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { availableParallelism } from "node:os";
import { Pool, PoolFull, poolModel } from "bitbasis/pool";
import { answerOf, EXPECTED, pictureOf } from "./picture.mjs";

const [, , path, port = "8080"] = process.argv;
const model = await poolModel("digits", new Uint8Array(readFileSync(path)));
const pool = await Pool.open([model], { workers: Math.min(4, availableParallelism()), queue: 256 });

async function answer(request) {
  const image = await pictureOf(request);
  if (image === undefined) return { status: 400, body: EXPECTED };
  try {
    const { type, dims, data } = image;
    const { outputs } = await pool.run({ model: "digits", feeds: { image: { type, dims, data } } });
    return { status: 200, body: answerOf(outputs.logits.data) };
  } catch (error) {
    return error instanceof PoolFull ? { status: 503, body: "busy" } : { status: 500, body: error.message };
  }
}

const server = createServer(async (request, response) => {
  const { status, body } = await answer(new Request("http://here/", { method: "POST", body: request, duplex: "half" }));
  response.writeHead(status, { "content-type": status === 200 ? "application/json" : "text/plain" }).end(body);
});
server.listen(Number(port), "127.0.0.1", () => console.log(`listening on ${server.address().port}`));
process.on("SIGTERM", async () => {
  server.close();
  await pool.close();
  process.exit();
});
