import { Presets, SingleBar } from "cli-progress";

export type OnProgress = (p: { phase: string; loaded: number; total: number }) => void;

/** Runs a task with a bar on stderr; nothing is drawn when stderr is not a terminal. */
export async function withProgress<T>(task: (onProgress: OnProgress) => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return task(() => undefined);
  const format = `{phase} ${process.env["NO_COLOR"] === undefined ? "\u001b[36m{bar}\u001b[0m" : "{bar}"} {percentage}%`;
  const bar = new SingleBar(
    { format, stream: process.stderr, hideCursor: true, clearOnComplete: true, barsize: 32 },
    Presets.shades_classic,
  );
  bar.start(1, 0, { phase: "" });
  try {
    return await task(({ phase, loaded, total }) => {
      bar.setTotal(Math.max(total, loaded, 1));
      bar.update(loaded, { phase: phase.padEnd(9) });
    });
  } finally {
    bar.stop();
  }
}
