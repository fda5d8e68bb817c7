import type { InferenceSession as Common, InferenceSessionHandler, SessionHandler } from "onnxruntime-common";
import type { StepTiming } from "../session/options.ts";
import type { InferenceSession } from "../session/session.ts";
import { checkWords } from "./words.ts";

/** A session as onnxruntime-common drives it: its InferenceSession has read the arguments, and makes its own tensors of what comes back. */
export class Handler implements InferenceSessionHandler {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly inputMetadata: readonly Common.ValueMetadata[];
  readonly outputMetadata: readonly Common.ValueMetadata[];
  /** Time by node since `startProfiling`. */
  private profile: Map<string, StepTiming> | undefined;

  constructor(private readonly session: InferenceSession) {
    this.inputNames = session.inputNames;
    this.outputNames = session.outputNames;
    // Types that onnxruntime-common has no name for, bfloat16 among them, are told all the same.
    this.inputMetadata = session.inputMetadata as readonly Common.ValueMetadata[];
    this.outputMetadata = session.outputMetadata as readonly Common.ValueMetadata[];
  }

  async run(
    feeds: SessionHandler.FeedsType,
    fetches: SessionHandler.FetchesType,
    options: Common.RunOptions,
  ): Promise<SessionHandler.ReturnType> {
    checkWords(options);
    if (options.terminate) throw new Error("the run was asked to terminate: its options have terminate set to true");
    const outputs = await this.session.run(feeds, fetches, options);
    for (const [name, value] of Object.entries(outputs)) {
      if (value === null || Array.isArray(value)) {
        throw new TypeError(
          `output "${name}" is no tensor, and onnxruntime's API has no other: import "bitbasis" for it`,
        );
      }
    }
    if (this.profile !== undefined) {
      for (const timing of await this.session.profile(feeds)) {
        const before = this.profile.get(timing.node)?.milliseconds ?? 0;
        this.profile.set(timing.node, { ...timing, milliseconds: before + timing.milliseconds });
      }
    }
    // It makes its own tensors of what is none of its copy's.
    return outputs as unknown as SessionHandler.ReturnType;
  }

  /** From now on each run is timed, by a second run. */
  startProfiling(): void {
    this.profile = new Map();
  }

  /** Prints the milliseconds of each node since `startProfiling` to the console. */
  endProfiling(): void {
    const slowest = [...(this.profile?.values() ?? [])].sort((a, b) => b.milliseconds - a.milliseconds);
    console.table(slowest.map(({ node, op, kernel, milliseconds }) => ({ node, op, kernel, milliseconds })));
    this.profile = undefined;
  }

  dispose(): Promise<void> {
    return this.session.release();
  }
}
