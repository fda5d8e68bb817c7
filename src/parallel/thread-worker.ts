import { Status } from "../core/abi/program.ts";
import { Control, SPINS, type ThreadSetup, work } from "./control.ts";

interface CoreRun {
  run(program: number, first: number, count: number, thread: number, threads: number): number;
}

/** Takes part in every step that is given, until the worker is ended. */
export function serveThread({ module, rest, memory, control, thread, threads }: ThreadSetup, ready: () => void): void {
  const instance = (of: WebAssembly.Module): CoreRun =>
    new WebAssembly.Instance(of, { env: { memory } }).exports as unknown as CoreRun;
  const { run } = instance(module);
  const { run: runRest } = rest === undefined ? { run } : instance(rest);
  /** The session's thread finds out what is wrong by running the step alone. */
  const tried: typeof run = (...step) => {
    let status = run(...step);
    if (status === Status.BadOpcode) status = runRest(...step);
    if (status !== 0) throw new Error(`status ${status}`);
    return status;
  };
  ready();
  for (let job = 0; ; ) {
    job = nextJob(control, job);
    work(control, job, thread, threads, tried);
    if (Atomics.load(control, Control.asleep) !== 0) Atomics.notify(control, Control.done);
  }
}

function nextJob(control: Int32Array, last: number): number {
  for (let i = 0; i < SPINS; i++) {
    const job = Atomics.load(control, Control.job);
    if (job !== last) return job;
  }
  Atomics.add(control, Control.sleepers, 1);
  while (Atomics.load(control, Control.job) === last) Atomics.wait(control, Control.job, last);
  Atomics.sub(control, Control.sleepers, 1);
  return Atomics.load(control, Control.job);
}
