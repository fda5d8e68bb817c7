import { BadIndex, BitbasisError, type Core } from "../core/index.ts";
import { DependsOnData, type Feed as GraphFeed, type KnownValue, specialize } from "../graph/index.ts";
import type { Model } from "../model/index.ts";
import type { Compiled, ProgramValue } from "../program/compile.ts";
import { Constants } from "../program/constants.ts";
import { Panels } from "../program/panels.ts";
import type { WeightSeries } from "../series/index.ts";
import {
  allocateData,
  elementBytes,
  type NumericType,
  sizeOf,
  Tensor,
  type TensorData,
  viewData,
} from "../tensor/index.ts";
import { bytesOf } from "./feeds.ts";
import type { StepTiming } from "./options.ts";
import { ProgramCache } from "./program-cache.ts";
import { yieldToEventLoop } from "./yield.ts";

/** Multiply-accumulates, and bytes moved, between two looks at the abort signal: about 5 ms. */
const SLICE_WORK = 2 ** 27;

/** Float16Array, where the runtime has it. */
const Float16 = (globalThis as { Float16Array?: new (bits: ArrayBuffer) => ArrayBufferView }).Float16Array;

/** An input of more elements is data, not a shape: a program per content of it would be no use. */
const SHAPING_ELEMENTS = 1024;

/** A program with the arena that it is bound to and the feeds in it. */
export interface Bound {
  readonly program: Compiled;
  readonly address: number;
  readonly arena: number;
}

/** A model in the memory of a core: all that a session drops when it is released. */
export class Engine {
  private readonly panels: Panels;
  private readonly programs: ProgramCache;
  /** Types and shapes of the weights that are not initializers of the graph, because they are series. */
  private readonly weights: ReadonlyMap<string, KnownValue>;
  /** Inputs whose elements decide shapes: found out when a program is made. */
  private readonly shaping = new Set<string>();

  constructor(
    readonly core: Core,
    private readonly model: Model,
  ) {
    this.panels = new Panels(core);
    this.weights = new Map([...model.weights].map(([name, { shape }]) => [name, { type: "float32", shape }]));
    this.programs = new ProgramCache(model, { core, constants: new Constants(core), panels: this.panels, threads: 1 });
  }

  /** Adds the terms that have arrived since to the weights. */
  refine(grown: readonly WeightSeries[]): void {
    for (const series of grown) this.panels.refine(series);
  }

  /** The program for these feeds, with the feeds written into the arena. */
  bind(tensors: ReadonlyMap<string, Tensor>): Bound {
    const bound = this.programFor(tensors);
    for (const [name, tensor] of tensors) {
      const value = bound.program.inputs.get(name);
      if (value === undefined) continue;
      const bytes = bytesOf(name, tensor);
      this.core.u8(addressOf(value, bound.arena), bytes.length).set(bytes);
    }
    return bound;
  }

  /** Runs all steps; in slices, with the event loop between them, when there is a signal to look at. */
  async run(bound: Bound, signal: AbortSignal | undefined): Promise<void> {
    const { steps } = bound.program;
    if (signal === undefined) {
      this.steps(bound, 0, steps.length);
      return;
    }
    for (let first = 0; first < steps.length; ) {
      let count = 0;
      for (let work = 0; first + count < steps.length && work < SLICE_WORK; count++) {
        const { macs, bytes } = steps[first + count]!;
        work += macs + bytes;
      }
      this.steps(bound, first, count);
      first += count;
      await yieldToEventLoop();
      signal.throwIfAborted();
    }
  }

  /** Runs every step by itself. */
  time(bound: Bound): StepTiming[] {
    return bound.program.steps.map(({ node, op, kernel, macs, bytes }, i) => {
      const start = performance.now();
      this.steps(bound, i, 1);
      return { step: i, op, node, kernel, milliseconds: performance.now() - start, macs, bytes };
    });
  }

  private steps({ program, address }: Bound, first: number, count: number): void {
    try {
      this.core.run(address, first, count);
    } catch (error) {
      throw error instanceof BadIndex ? program.explain(error) : error;
    }
  }

  /** A copy of an output. */
  read({ program, arena }: Bound, name: string): Tensor {
    const value = program.outputs.get(name)!;
    const { type, shape, place } = value;
    const length = sizeOf(shape);
    if ("constant" in place) {
      const copy = allocateData(type, 0).constructor as unknown as { from(data: unknown): Float32Array };
      return new Tensor(type, copy.from(place.constant.data), shape);
    }
    const bytes = this.core.read(addressOf(value, arena), length * elementBytes(type));
    if (type === "float16" && Float16 !== undefined) return new Tensor(type, new Float16(bytes.buffer), shape);
    return new Tensor(type, viewData(type as NumericType, bytes, length), shape);
  }

  /** The program for feeds of these shapes and, where the model computes shapes from elements of a feed, these elements. */
  private programFor(tensors: ReadonlyMap<string, Tensor>): Bound {
    const { graph } = this.model;
    for (;;) {
      const signature = [...tensors].map(([name, tensor]) => signatureOf(name, tensor, this.shaping.has(name)));
      try {
        return this.programs.get(signature.join(";"), () => {
          const known = [...tensors].map(([name, { type, dims, data }]): [string, GraphFeed] => [
            name,
            {
              type,
              shape: dims,
              ...(this.shaping.has(name) && { data: type === "float16" ? halfBits(data) : data.slice() }),
            },
          ]);
          return specialize(graph, Object.fromEntries(known), this.weights);
        });
      } catch (error) {
        if (!(error instanceof DependsOnData)) throw error;
        const more = error.inputs.filter((name) => {
          const tensor = tensors.get(name);
          return tensor !== undefined && tensor.size <= SHAPING_ELEMENTS && !this.shaping.has(name);
        });
        if (more.length === 0) throw error;
        for (const name of more) this.shaping.add(name);
      }
    }
  }
}

function addressOf({ place }: ProgramValue, arena: number): number {
  if ("arena" in place) return arena + place.arena;
  if ("address" in place) return place.address;
  throw new BitbasisError("INTERNAL", "a constant has no address");
}

/** A copy of float16 elements as bit patterns, which is what the passes compute with. */
function halfBits(data: TensorData): Uint16Array {
  const { buffer, byteOffset, byteLength } = data as ArrayBufferView;
  return new Uint16Array(buffer, byteOffset, byteLength / 2).slice();
}

function signatureOf(name: string, { dims, data }: Tensor, withData: boolean): string {
  if (!withData) return dims.join("x");
  if (!ArrayBuffer.isView(data)) throw new TypeError(`input "${name}" expected a numeric tensor`);
  return `${dims.join("x")}=${new Uint8Array(data.buffer, data.byteOffset, data.byteLength).join()}`;
}
