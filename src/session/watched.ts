// Runs that are watched step by step. A chunk of its own: they are for people who look into a model.
import { ProgramHeader } from "../core/abi/program.ts";
import { atOnce, isKernel, now } from "../core/index.ts";
import type { LoweredStep } from "../program/lowering.ts";
import type { Engine } from "./engine.ts";
import { Execution } from "./execution.ts";
import type { StepTiming } from "./options.ts";
import type { Bound, Runner } from "./runner.ts";
import { Scope, type Value } from "./values.ts";

/** Runs once, every step by itself. */
export async function timesOf(engine: Engine, inputs: ReadonlyMap<string, Value>): Promise<StepTiming[]> {
  const timings: StepTiming[] = [];
  await stepByStep(engine, inputs, async ({ node, op, kernel, macs, bytes }, _, run) => {
    const start = now();
    await run();
    const milliseconds = now() - start;
    timings.push({ step: timings.length, op, node, kernel, milliseconds, macs, bytes });
  });
  return timings;
}

/** Runs once; the words of the linear steps that have run. */
export async function linearSteps(engine: Engine, inputs: ReadonlyMap<string, Value>): Promise<Int32Array[]> {
  const found: Int32Array[] = [];
  await stepByStep(engine, inputs, async ({ step }, at, run) => {
    await run();
    if (isKernel(step.opcode)) found.push(engine.core.i32(at, step.words.length).slice());
  });
  return found;
}

async function stepByStep(
  engine: Engine,
  inputs: ReadonlyMap<string, Value>,
  visit: (step: LoweredStep, address: number, run: () => Promise<void>) => Promise<void>,
): Promise<void> {
  const { core, model, schedule, main } = engine;
  const program = async (bound: Bound): Promise<void> => {
    for (const [i, lowered] of bound.part.program.steps.entries()) {
      const address = core.i32(bound.address + 4 * (ProgramHeader.length + i), 1)[0]! >>> 0;
      await visit(lowered, address, () => engine.steps(bound, { first: i, count: 1, part: 0, parts: 1 }));
    }
  };
  const scope = new Scope(core);
  try {
    const idle = async (): Promise<void> => {};
    const inTurns: Runner["inTurns"] = async (steps) => atOnce(steps);
    const runner = { program, turn: idle, rest: idle, inTurns, work: () => undefined };
    await new Execution(core, model, schedule, runner).run(main, inputs, scope);
  } finally {
    scope.release();
  }
}
