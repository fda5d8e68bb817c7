import { ConvStep } from "../core/abi/conv.ts";
import { ShardPart } from "../core/abi/shards.ts";
import type { ShardAnswer, ShardJob } from "./shard-job.ts";

interface ShardExports {
  prepare(step: number): void;
  accumulate(step: number): void;
}

interface Place {
  readonly weights: number;
  readonly tapSums: number;
  /** That are reserved from `weights` on. */
  readonly bytes: number;
}

const FIRST_ADDRESS = 1024;
const PAGE_BYTES = 65536;

/** What a worker has of the layers of a model, in a memory of its own. */
export class ShardWorker {
  private readonly memory = new WebAssembly.Memory({ initial: 1 });
  private readonly exports: ShardExports;
  private readonly places = new Map<number, Place>();
  /** Behind the layers; what a job needs lies there until the next. */
  private end = FIRST_ADDRESS;

  constructor(module: WebAssembly.Module) {
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.memory } });
    this.exports = exports as unknown as ShardExports;
  }

  run(job: ShardJob): ShardAnswer {
    const { part, taps, pixels, wide, input, parameters, reply } = job;
    const place = this.placeOf(job);
    const words = new Int32Array(ConvStep.length + ShardPart.length);
    const bytes = pixels * part.rows * (wide ? 8 : 4);
    const sizes = [4 * words.length, input.length, parameters.length, 4 * taps, bytes];
    let end = this.end;
    const [step = 0, inputs, entries, table, output = 0] = sizes.map((size) => {
      const at = end;
      end = align(end + size);
      return at;
    });
    this.reserve(end);
    words.set(job.words);
    words[ConvStep.input] = inputs!;
    words[ConvStep.parameters] = entries!;
    const behind: Record<Exclude<keyof typeof ShardPart, "length">, number> = {
      ...{ first: part.first, rows: part.rows, from: part.from, to: part.to, wide: wide ? 1 : 0 },
      ...{ weights: place.weights, tapSums: place.tapSums, table: table!, output },
    };
    for (const [name, word] of Object.entries(behind)) words[ConvStep.length + ShardPart[name as "first"]] = word;
    const view = new Uint8Array(this.memory.buffer);
    view.set(new Uint8Array(words.buffer), step);
    view.set(input, inputs);
    view.set(parameters, entries);
    if (job.weights !== undefined) {
      const { buffer, byteOffset, byteLength } = job.weights;
      view.set(new Uint8Array(buffer, byteOffset, byteLength), place.weights);
      this.exports.prepare(step);
    }
    this.exports.accumulate(step);
    const sums = view.subarray(output, output + bytes);
    reply?.set(sums);
    return { sums: reply ?? sums.slice(), memory: this.memory.buffer.byteLength, weights: this.end - FIRST_ADDRESS };
  }

  /** Where a layer's weights lie; anew when the part has grown: terms that arrive are shared out in another way. */
  private placeOf({ layer, part, words }: ShardJob): Place {
    const channels = words[ConvStep.channels]!;
    const weightBytes = 2 * part.rows * (part.to - part.from);
    const bytes =
      align(weightBytes) + 4 * part.rows * (Math.ceil(part.to / channels) - Math.floor(part.from / channels));
    const before = this.places.get(layer);
    const at = before !== undefined && bytes <= before.bytes ? before.weights : this.end;
    const place = { weights: at, tapSums: at + align(weightBytes), bytes: Math.max(bytes, before?.bytes ?? 0) };
    this.places.set(layer, place);
    this.end = Math.max(this.end, align(at + bytes));
    return place;
  }

  private reserve(end: number): void {
    const missing = Math.ceil((end - this.memory.buffer.byteLength) / PAGE_BYTES);
    if (missing > 0) this.memory.grow(missing);
  }
}

function align(address: number): number {
  return Math.ceil(address / 16) * 16;
}
