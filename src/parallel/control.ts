/** Words of the memory, an Int32Array, through which the threads of a session give each other work. */
export const Control = {
  /** Counts the steps that have been given: who has nothing to do waits for it to change. */
  job: 0,
  /** Pieces of the step that have been run. */
  done: 1,
  /** Workers that wait in the operating system, so that somebody must wake them. */
  sleepers: 2,
  /** 1: the session's own thread sleeps until `done` changes. */
  asleep: 3,
  /** 1: a piece of the step has failed. */
  failed: 4,
  /** The step: the address of its program, its position, and the slice of it, `part` of `parts`. */
  program: 5,
  step: 6,
  part: 7,
  parts: 8,
  /** Pieces that each thread begins with. */
  each: 9,
  /** Here begins a queue for each thread: the job, times 64, and the number of pieces that nobody has taken yet. */
  queues: 16,
} as const;

/**
 * Looks at a word before a thread sleeps: some 40 µs. Waking costs as much, and most steps of a network are over before; on a machine that is busy
 * with other work sleeping gives it the core.
 */
export const SPINS = 20_000;

/** What a worker is told first. */
export interface ThreadSetup {
  readonly module: WebAssembly.Module;
  /** Runs the steps that the module has not; absent where it is whole. */
  readonly rest: WebAssembly.Module | undefined;
  readonly memory: WebAssembly.Memory;
  readonly control: Int32Array<SharedArrayBuffer>;
  /** Its number, 1 … threads − 1; the session's own thread is 0. */
  readonly thread: number;
  readonly threads: number;
}

type Run = (program: number, first: number, count: number, thread: number, threads: number) => unknown;

const PIECES = 64;

/** Gives every thread `each` pieces of what the other words describe, at most 63; the one before must be done. */
export function give(control: Int32Array, threads: number): number {
  const job = (Atomics.load(control, Control.job) + 1) | 0;
  control[Control.done] = 0;
  control[Control.failed] = 0;
  for (let thread = 0; thread < threads; thread++) {
    Atomics.store(control, Control.queues + thread, job * PIECES + control[Control.each]!);
  }
  Atomics.store(control, Control.job, job);
  if (Atomics.load(control, Control.sleepers) > 0) Atomics.notify(control, Control.job);
  return job;
}

/**
 * Runs pieces of a job until there are none: a thread's own, which lie side by side, then those that the others have not come to. So nobody waits
 * for a thread that the operating system does not let run, and on an idle machine everybody works where it has worked in the step before.
 * What the job is is read once a piece has been taken: until that is done there can be no other.
 */
export function work(control: Int32Array, job: number, thread: number, threads: number, run: Run): void {
  for (let turn = 0; turn < threads; turn++) {
    const owner = (thread + turn) % threads;
    for (let left = take(control, owner, job); left > 0; left = take(control, owner, job)) {
      const [each, parts] = [control[Control.each]!, control[Control.parts]!];
      const piece = owner * each + each - left;
      // The slices of a piece come one after the other, and have one slot of what threads keep for themselves.
      const index = piece * parts + control[Control.part]!;
      try {
        run(control[Control.program]! >>> 0, control[Control.step]!, 1, index, threads * each * parts);
      } catch {
        Atomics.store(control, Control.failed, 1);
      }
      Atomics.add(control, Control.done, 1);
    }
  }
}

/** Takes a piece out of a queue: how many there were; 0: none of this job. */
function take(control: Int32Array, owner: number, job: number): number {
  const queue = Control.queues + owner;
  for (;;) {
    const found = Atomics.load(control, queue);
    const left = found & (PIECES - 1);
    if (left === 0 || (found ^ left) !== Math.imul(job, PIECES)) return 0;
    if (Atomics.compareExchange(control, queue, found, found - 1) === found) return left;
  }
}
