/** A layer whose bits are to be chosen. */
export interface Sensitivity {
  readonly node: string;
  /** Bits that one more bit of its weights costs: their number and some for each row; 0 for a product of activations. */
  readonly size: number;
  /** Squared errors of the network's outputs, one for each output and input, by bits of this layer's weights alone; 32 is float32. Ascending bits. */
  readonly weights: ReadonlyMap<number, Float64Array>;
  /** The same by bits of its activations. */
  readonly activations: ReadonlyMap<number, Float64Array>;
}

export interface Allocation {
  /** By node; 32: float32. */
  readonly widths: ReadonlyMap<string, readonly [weights: number, activations: number]>;
  /** √ of the largest sum of squared errors. */
  readonly predicted: number;
  /** Part of the squared error that each layer has, 0…1. */
  readonly parts: ReadonlyMap<string, number>;
  /** Bits of all weights together. */
  readonly bits: number;
}

/** How bits are given. */
export interface Giving {
  /** Part of the squared tolerance that the activations may have, whose bits cost no bytes: a half where narrow ones are faster, less where bytes alone count. */
  readonly part?: number;
  /** Bits of a weight on average that are given away in any case, where they remove most error. */
  readonly least?: number;
}

/**
 * The fewest bits whose error stays within a tolerance. Errors of layers add in squares (measured on eleven networks within a factor of 1.4), so that one run with each layer quantized alone
 * predicts every plan. A part of the squared tolerance is for activations, whose bits cost no bytes: those with the largest errors are widened first. Weights start at the least bits, and the step that
 * removes most squared error per bit is taken again and again, which on a convex hull is the optimum up to one step. The last step may be that of the largest layer, so that other layers are lowered
 * again as far as it has left room: mobilenet_v2 under `compact`, whose classifier has a third of the weights, 6.25 bits for 6.44. Of several outputs the worst one of the moment counts.
 */
export function allocate(
  layers: readonly Sensitivity[],
  tolerance: number,
  { part = 0.5, least = 0 }: Giving = {},
): Allocation {
  const states = layers.map((layer) => new State(layer));
  const count =
    layers[0]?.weights.values().next().value?.length ?? layers[0]?.activations.values().next().value?.length ?? 0;
  const budget = tolerance * tolerance;
  const widen = (limit: number, sums: (k: number) => number, next: (k: number) => (() => void) | undefined): void => {
    for (;;) {
      const k = worst(count, sums);
      const step = sums(k) > limit ? next(k) : undefined;
      if (step === undefined) return;
      step();
    }
  };
  const ofActivations = (k: number) => states.reduce((sum, state) => sum + state.activationError(k), 0);
  widen(budget * part, ofActivations, (k) => {
    const open = states.filter((state) => state.canWiden && state.activationError(k) > 0);
    if (open.length === 0) return undefined;
    const next = open.reduce((a, b) => (b.activationError(k) > a.activationError(k) ? b : a));
    return () => next.widen();
  });
  const all = (k: number) => states.reduce((sum, state) => sum + state.error(k), 0);
  const bestStep = (k: number) => best(states, (state) => state.steps(k));
  widen(budget, all, bestStep);
  const size = layers.reduce((sum, layer) => sum + layer.size, 0);
  if (bitsOf(states) >= least * size) {
    lower(states, () => bitsOf(states) >= least * size && all(worst(count, all)) <= budget);
  }
  while (bitsOf(states) < least * size) {
    const step = bestStep(worst(count, all));
    if (step === undefined) break;
    step();
  }
  return summed(states, count);
}

/** Takes bits from layers again, most bits of the container first, as long as the rest is allowed. */
function lower(states: readonly State[], isAllowed: () => boolean): void {
  for (;;) {
    const step = best(
      states,
      (state) => state.backward(),
      (state, bits) => state.at(bits, isAllowed),
    );
    if (step === undefined) return;
    step();
  }
}

/** Other bits for the weights of one layer, and what that is worth. */
interface Move {
  readonly bits: number;
  readonly worth: number;
}

/** The move worth most, above 0, of those that are allowed; the first of equals. */
function best(
  states: readonly State[],
  movesOf: (state: State) => readonly Move[],
  isAllowed: (state: State, bits: number) => boolean = () => true,
): (() => void) | undefined {
  let most = 0;
  let taken: (() => void) | undefined;
  for (const state of states) {
    for (const { bits, worth } of movesOf(state)) {
      if (worth <= most || !isAllowed(state, bits)) continue;
      most = worth;
      taken = () => state.promote(bits);
    }
  }
  return taken;
}

function bitsOf(states: readonly State[]): number {
  return states.reduce((sum, { layer, widths: [weights] }) => sum + layer.size * weights, 0);
}

/** What widths come to that were chosen in another way. */
export function allocationOf(layers: readonly Sensitivity[], widths: Allocation["widths"]): Allocation {
  const states = layers.map((layer) => {
    const state = new State(layer);
    state.set(widths.get(layer.node)!);
    return state;
  });
  return summed(states, layers[0]?.activations.values().next().value?.length ?? 0);
}

function summed(states: readonly State[], count: number): Allocation {
  const all = (k: number) => states.reduce((sum, state) => sum + state.error(k), 0);
  const k = worst(count, all);
  const total = count === 0 ? 0 : all(k);
  return {
    widths: new Map(states.map((state) => [state.layer.node, state.widths])),
    predicted: Math.sqrt(total),
    parts: new Map(states.map((state) => [state.layer.node, total > 0 ? state.error(k) / total : 0])),
    bits: bitsOf(states),
  };
}

function worst(count: number, value: (k: number) => number): number {
  let best = 0;
  for (let k = 1; k < count; k++) if (value(k) > value(best)) best = k;
  return best;
}

const FLOAT = 32;

/** A layer with the bits that it has been given so far. */
class State {
  private weight: number;
  private activation: number;

  constructor(readonly layer: Sensitivity) {
    this.weight = layer.weights.keys().next().value ?? 0;
    this.activation = layer.activations.keys().next().value ?? FLOAT;
  }

  get widths(): readonly [number, number] {
    return this.weight === FLOAT || this.activation === FLOAT ? [FLOAT, FLOAT] : [this.weight, this.activation];
  }

  activationError(k: number): number {
    return this.weight === FLOAT ? 0 : (this.layer.activations.get(this.activation)?.[k] ?? 0);
  }

  error(k: number): number {
    return this.activationError(k) + this.weightError(k, this.weight);
  }

  get canWiden(): boolean {
    return this.weight !== FLOAT && [...this.layer.activations.keys()].some((bits) => bits > this.activation);
  }

  widen(): void {
    this.activation = [...this.layer.activations.keys()].find((bits) => bits > this.activation)!;
  }

  /** What more bits would remove per bit of the container. */
  steps(k: number): Move[] {
    const { weights, size } = this.layer;
    return [...weights.keys()].flatMap((bits) => {
      if (bits <= this.weight) return [];
      const removed =
        this.weightError(k, this.weight) - this.weightError(k, bits) + (bits === FLOAT ? this.activationError(k) : 0);
      return removed > 0 ? [{ bits, worth: removed / ((bits - this.weight) * size) }] : [];
    });
  }

  /** Fewer bits, and what they save of the container. A layer in float32 stays there: its activations have no bits that were asked for. */
  backward(): Move[] {
    if (this.weight === FLOAT) return [];
    const lower = [...this.layer.weights.keys()].filter((bits) => bits < this.weight);
    return lower.map((bits) => ({ bits, worth: (this.weight - bits) * this.layer.size }));
  }

  /** What `ask` says with so many bits; they stay as they were. */
  at<T>(bits: number, ask: () => T): T {
    const { weight } = this;
    this.weight = bits;
    try {
      return ask();
    } finally {
      this.weight = weight;
    }
  }

  set([weight, activation]: readonly [number, number]): void {
    this.weight = weight;
    this.activation = activation;
  }

  promote(bits: number): void {
    this.weight = bits;
  }

  private weightError(k: number, bits: number): number {
    return this.layer.weights.get(bits)?.[k] ?? 0;
  }
}
