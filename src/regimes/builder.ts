// Builds a network layer by layer with named neurons, so that a construction reads like its formulas.
import { add, type Dyadic, dyadic, fromNumber, multiply, ZERO } from "./dyadic.ts";
import type { DyadicNetwork, Layer } from "./network.ts";

export type Value = Dyadic | number;

/** A linear form over the neurons of the layer before; `_` is the constant. */
export type Form = Readonly<Record<string, Value | undefined>>;

export function exact(value: Value): Dyadic {
  return typeof value === "number" ? fromNumber(value) : value;
}

/** value·form, term by term. */
export function times(form: Form, value: Value): Form {
  return Object.fromEntries(
    Object.entries(form).map(([name, weight]) => [name, multiply(exact(weight ?? 0), exact(value))]),
  );
}

/** The sum of forms. */
export function plus(...forms: readonly Form[]): Form {
  const sum: Record<string, Dyadic> = {};
  for (const form of forms) {
    for (const [name, weight] of Object.entries(form)) sum[name] = add(sum[name] ?? ZERO, exact(weight ?? 0));
  }
  return sum;
}

/** numerator/2^exponent, for weights that are fractions. */
export function fraction(numerator: number | bigint, exponent: number): Dyadic {
  return dyadic(BigInt(numerator), exponent);
}

export class NetworkBuilder {
  private readonly layers: Layer[] = [];
  private names: Map<string, number>;
  private readonly inputs: number;

  constructor(inputs: readonly string[] = ["x"]) {
    this.names = new Map(inputs.map((name, i) => [name, i]));
    this.inputs = inputs.length;
  }

  /** Layers so far. */
  get depth(): number {
    return this.layers.length;
  }

  /** Appends a layer: each neuron is the form of the layer before that is given for its name. Zero weights are left out. */
  add(neurons: Readonly<Record<string, Form>>): this {
    const names = Object.keys(neurons);
    this.layers.push(
      names.map((name) => {
        const indices: number[] = [];
        const weights: Dyadic[] = [];
        let bias = ZERO;
        for (const [source, value] of Object.entries(neurons[name]!)) {
          const weight = exact(value ?? 0);
          if (source === "_") bias = weight;
          else if (weight.numerator !== 0n) {
            const index = this.names.get(source);
            if (index === undefined)
              throw new RangeError(`neuron ${name} expected a neuron of the layer before, got ${source}`);
            indices.push(index);
            weights.push(weight);
          }
        }
        return { bias, indices, weights };
      }),
    );
    this.names = new Map(names.map((name, i) => [name, i]));
    return this;
  }

  build(): DyadicNetwork {
    return { inputs: this.inputs, layers: this.layers };
  }
}
