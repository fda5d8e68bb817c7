import type { IncomingMessage } from "node:http";
import { HttpError } from "./http-error.ts";

/** Bodies that may be in memory at a time, in units of the largest one that is allowed. */
const AT_A_TIME = 8;

/** Reads bodies of at most `most` bytes each; together they hold at most eight times as much, so that many large ones cannot take the memory. */
export class Bodies {
  private held = 0;

  constructor(private readonly most: number) {}

  /**
   * Reads a body and hands it to `use`, until whose end it counts as held.
   *
   * @throws HttpError 413 for a body that is too long, 429 when too much is held, 415 for one that is compressed, 400 for one that was cut short
   */
  async with<T>(request: IncomingMessage, use: (body: Uint8Array) => Promise<T>): Promise<T> {
    const encoding = request.headers["content-encoding"] ?? "identity";
    if (encoding !== "identity") throw new HttpError(415, `Content-Encoding expected identity, got ${encoding}`);
    const told = Number(request.headers["content-length"] ?? 0);
    if (told > this.most) throw this.tooLong(told);
    let length = 0;
    try {
      const chunks: Buffer[] = [];
      for await (const chunk of request as AsyncIterable<Buffer>) {
        length += chunk.length;
        this.held += chunk.length;
        if (length > this.most) throw this.tooLong(length);
        if (this.held > AT_A_TIME * this.most)
          throw new HttpError(429, "too many bytes of bodies are held already", { "retry-after": "1" });
        chunks.push(chunk);
      }
      return await use(Buffer.concat(chunks));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ECONNRESET") throw new HttpError(400, "the body was cut short");
      throw error;
    } finally {
      this.held -= length;
    }
  }

  private tooLong(length: number): HttpError {
    return new HttpError(413, `the body expected at most ${this.most} bytes, got ${length}`);
  }
}
