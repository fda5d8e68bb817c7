import type { Core, Layer, Step } from "../core/index.ts";
import type { WeightSeries } from "../series/index.ts";

/** A step, and what is known of its work. */
export interface CrewStep {
  readonly step: Step;
  readonly macs: number;
  readonly bytes: number;
  /** More parts than rows must come in order; absent: no part needs another. */
  readonly rows?: number;
}

/** Some steps of a program, or one part of a step. */
export interface Steps {
  readonly first: number;
  readonly count: number;
  readonly part: number;
  readonly parts: number;
}

/** Workers that help a session's core to run its programs; the bits are those that it would have alone. */
export interface Crew {
  readonly core: Core;
  /** As many slots the programs need of what threads keep for themselves. */
  readonly slots: number;
  /** Threads that run the model. */
  readonly threads: number;
  /** Takes the weights of layers, where the crew holds them instead of the core. */
  readonly elsewhere?: Elsewhere;
  /**
   * Runs steps of a program; `all` are all of its steps.
   *
   * @throws what `Core.run` throws; BitbasisError WORKER when a worker dies meanwhile
   */
  run(program: number, steps: Steps, all: readonly CrewStep[]): Promise<void>;
  /** Ends the workers. */
  stop(): Promise<void>;
}

/** Who holds the weights of layers instead of the core, where their panels have an address and nothing else. */
export interface Elsewhere {
  /** A layer's weights belong to the steps that read panels at this address. */
  hold(panels: number, series: WeightSeries, layer: Omit<Layer, "kernel">): void;
  /** Terms of the series have arrived. */
  renew(panels: number): void;
}
