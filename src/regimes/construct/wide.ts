// Construction "wide": the scan with all its cells side by side. Depth buys precision: b bits per layer, so that few bits suffice for
// many cells as long as the network is wide. This is what the starved regime looks like from above: error 2^-((L−2)b+1).
import { type Form, fraction, NetworkBuilder, plus, type Value } from "../builder.ts";
import { dyadic, subtract } from "../dyadic.ts";
import type { Path } from "../encode.ts";
import type { DyadicNetwork } from "../network.ts";
import { type Format, leaveCells } from "./common.ts";
import { inputCopies } from "./table.ts";

/**
 * A network that follows the path exactly: copies of x, one neuron ReLU(T − k) per cell, one sum, ⌈(p−1)/b⌉ − 1 further layers that
 * bring the sum down. Width 2^n + 1.
 *
 * @param format b may be as small as 1; slopes of 1/2 make the first sum's weights multiples of 2^-(b+1)
 */
export function wideNetwork(
  path: Path,
  format: Format = { a: Math.ceil(path.n / 2), b: Math.max(1, Math.ceil((path.p - 1) / 2)) },
): DyadicNetwork {
  const { n, p, bits, start } = path;
  const cells = 2 ** n;
  const net = new NetworkBuilder();
  const { first, position, constant } = inputCopies(n, format.a);
  net.add(first);
  const knots: Record<string, Form> = {};
  const slopes: Record<string, Value> = {};
  for (let k = 0; k < cells; k++) {
    knots[`t${k}`] = position(k);
    const change = k === 0 ? fraction(2 * bits[0]! - 1, 1) : fraction(bits[k]! - bits[k - 1]!, 0);
    if (change.numerator !== 0n) slopes[`t${k}`] = change;
  }
  net.add({ ...knots, B: constant(fraction(start + 2 * cells, 1)) });
  leaveCells(net, plus({ B: 1 }, slopes), 1 - p, subtract(dyadic(1n, p - n - 1), path.offset), format);
  return net.build();
}
