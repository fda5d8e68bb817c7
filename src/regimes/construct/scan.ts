// Construction C1, "scan": width 2, one layer per cell, weights {0, ±1/2, ±1, ±2}. Source: design note A4.
import { fraction, NetworkBuilder } from "../builder.ts";
import { dyadic, subtract } from "../dyadic.ts";
import type { Path } from "../encode.ts";
import type { DyadicNetwork } from "../network.ts";
import { enterCells, type Format, leaveCells } from "./common.ts";

/**
 * A network that follows the path exactly: the neuron T counts down through the cells, B collects changes of slope.
 * Before cell k, B is the path continued straight on; it stays at or above 0 because the path starts at most 2^n units below its
 * offset and falls by at most one unit per cell.
 *
 * Depth 2^n + ⌈n/a⌉ + ⌈(p−1)/b⌉.
 *
 * @param format weights allowed, a ≥ 1 and b ≥ 1
 */
export function scanNetwork(path: Path, format: Format = { a: 1, b: 1 }): DyadicNetwork {
  const { n, p, bits } = path;
  const cells = 2 ** n;
  const net = new NetworkBuilder();
  net.add({ ...enterCells(net, n, format.a, path.start + 2 * cells) });
  for (let k = 0; k < cells - 1; k++) net.add({ T: { T: 1, _: -1 }, B: { B: 1, T: slopeChange(bits, k) } });
  net.add({ B: { B: 1, T: slopeChange(bits, cells - 1) } });
  leaveCells(net, { B: 1 }, 1 - p, subtract(dyadic(1n, p - n - 1), path.offset), format);
  return net.build();
}

/** The change of slope at cell k in units of two levels per cell. */
function slopeChange(bits: readonly (0 | 1)[], k: number) {
  return k === 0 ? fraction(2 * bits[0]! - 1, 1) : fraction(bits[k]! - bits[k - 1]!, 0);
}
