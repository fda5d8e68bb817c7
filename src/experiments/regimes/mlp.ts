import { type DyadicNetwork, denseLayer, dyadic } from "../../regimes/index.ts";
import { uniformNumbers } from "../../tensor/index.ts";

/** A random network: weights and biases uniform on the multiples of 2^-b in [-1, 1]. */
export function randomMlp(dims: readonly number[], b: number, seed: number): DyadicNetwork {
  const next = uniformNumbers(seed);
  const limit = 2 ** b;
  const value = () => dyadic(BigInt(Math.floor(next() * (2 * limit + 1)) - limit), b);
  return {
    inputs: dims[0]!,
    layers: dims.slice(1).map((outputs, l) =>
      denseLayer(
        Array.from({ length: outputs }, () => Array.from({ length: dims[l]! }, value)),
        Array.from({ length: outputs }, value),
      ),
    ),
  };
}
