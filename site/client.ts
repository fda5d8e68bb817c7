import type { Question, Questions } from "./worker.ts";

type Answer<K extends keyof Questions> = Awaited<ReturnType<Questions[K]>>;

const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
const waiting = new Map<number, { resolve: (answer: never) => void; reject: (error: Error) => void }>();
let asked = 0;

worker.addEventListener("message", ({ data }: MessageEvent<{ id: number; answer?: unknown; error?: string }>) => {
  const asker = waiting.get(data.id);
  waiting.delete(data.id);
  if (data.error === undefined) asker?.resolve(data.answer as never);
  else asker?.reject(new Error(data.error));
});
worker.addEventListener("error", ({ message }) => {
  for (const { reject } of waiting.values()) reject(new Error(message || "the worker could not be started"));
  waiting.clear();
});

/** Asks the worker; questions are answered in their order. */
export function ask<K extends keyof Questions>(name: K, ...values: Parameters<Questions[K]>): Promise<Answer<K>> {
  asked++;
  const question: Question = { id: asked, name, values };
  const answer = new Promise<Answer<K>>((resolve, reject) => waiting.set(asked, { resolve, reject }));
  worker.postMessage(question);
  return answer;
}
