// A server that sends a container as slowly as it is told to, for networks that answer while they download.
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Served {
  readonly url: string;
  /** Bytes of the container that have been handed to the connection. */
  sent(): number;
  close(): Promise<void>;
}

export interface ServeOptions {
  /** Bytes a second. */
  readonly rate: number;
  /** Other paths: text or bytes with their type. */
  readonly files?: Readonly<Record<string, { readonly type: string; readonly body: Uint8Array | string }>>;
  readonly port?: number;
}

/** Milliseconds between two pieces. */
const TICK = 20;

/**
 * Serves `container` as /model.safetensors on this machine, at `rate` bytes a second.
 *
 * @example
 * const served = await serve(container, { rate: 100_000 });
 * const session = await InferenceSession.create(served.url, { progressive: true });
 */
export async function serve(container: Uint8Array, { rate, files = {}, port = 0 }: ServeOptions): Promise<Served> {
  let sent = 0;
  const slowly = (response: ServerResponse): void => {
    let at = 0;
    response.writeHead(200, { "content-type": "application/octet-stream", "content-length": container.length });
    const timer = setInterval(() => {
      const piece = container.subarray(at, at + Math.ceil((rate * TICK) / 1000));
      at += piece.length;
      sent = at;
      response.write(piece);
      if (at < container.length) return;
      clearInterval(timer);
      response.end();
    }, TICK);
    response.on("close", () => clearInterval(timer));
  };
  const server: Server = createServer((request, response) => {
    const file = files[request.url ?? ""];
    if (request.url === "/model.safetensors") slowly(response);
    else if (file === undefined) response.writeHead(404).end("not found");
    else response.writeHead(200, { "content-type": file.type }).end(file.body);
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/model.safetensors`,
    sent: () => sent,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
