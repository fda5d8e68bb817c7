import { checkList, checkOptions, shown, wrongKind } from "../core/index.ts";
import { type Dyadic, formatDyadic, fromNumber, parseDyadic, ZERO } from "./dyadic.ts";
import { checkNetwork, type DyadicNetwork, denseLayer } from "./network.ts";

/** A dense layer: `weights[output][input]`, numbers (taken exactly as the doubles they are) or texts such as "-3/8". */
export interface DenseLayerJson {
  /** One row per output, one number or text per input. */
  readonly weights: readonly (readonly (number | string)[])[];
  /** One per output; default zeros. */
  readonly bias?: readonly (number | string)[];
}

/**
 * A network from dense layers, ReLU after all but the last.
 *
 * @throws RangeError that names layer, neuron and weight, when a weight is not dyadic or a row has the wrong length
 * @example
 * const network = denseNetwork([{ weights: [[0.5, -0.25]], bias: [1] }, { weights: [["3/8"]] }]);
 */
export function denseNetwork(layers: readonly DenseLayerJson[]): DyadicNetwork {
  if (!Array.isArray(layers) || layers.length === 0)
    throw new TypeError(`"layers" expected an array of { weights, bias }, got ${JSON.stringify(layers)?.slice(0, 60)}`);
  for (const [l, layer] of layers.entries()) checkOptions(layer, `layers[${l}]`);
  const inputs = layers[0]!.weights?.[0]?.length ?? 0;
  let previous = inputs;
  const made = layers.map(({ weights, bias }, l) => {
    if (!Array.isArray(weights)) throw new TypeError(`layer ${l} expected "weights", an array of rows`);
    if (bias !== undefined) checkList(`layers[${l}].bias`, bias);
    if (bias !== undefined && bias.length !== weights.length)
      throw new RangeError(`layer ${l} expected ${weights.length} biases, got ${bias.length}`);
    const rows = weights.map((row: readonly (number | string)[], i: number) => {
      if (!Array.isArray(row)) throw wrongKind(`layers[${l}].weights[${i}]`, "a list", row);
      if (row.length !== previous)
        throw new RangeError(`layer ${l}, neuron ${i} expected ${previous} weights, got ${row.length}`);
      return row.map((value, j) => exactly(value, `layer ${l}, neuron ${i}, weight ${j}`));
    });
    previous = rows.length;
    return denseLayer(
      rows,
      rows.map((_: Dyadic[], i: number) =>
        bias === undefined ? ZERO : exactly(bias[i]!, `layer ${l}, neuron ${i}, bias`),
      ),
    );
  });
  return checkNetwork({ inputs, layers: made });
}

function exactly(value: number | string, where: string): Dyadic {
  try {
    return typeof value === "number" ? fromNumber(value) : parseDyadic(value);
  } catch (cause) {
    throw new RangeError(`${where} expected a dyadic number, got ${shown(value)}`, { cause });
  }
}

/** The dense form of a network, zeros included. */
export function denseJson(network: DyadicNetwork): {
  /** `weights[output][input]`, exact: "-3/8". */
  weights: string[][];
  /** One per output, exact. */
  bias: string[];
}[] {
  checkNetwork(network);
  let inputs = network.inputs;
  return network.layers.map((layer) => {
    const weights = layer.map(({ indices, weights }) => {
      const row = new Array<string>(inputs).fill("0");
      for (const [k, index] of indices.entries()) row[index] = formatDyadic(weights[k]!);
      return row;
    });
    inputs = layer.length;
    return { weights, bias: layer.map(({ bias }) => formatDyadic(bias)) };
  });
}
