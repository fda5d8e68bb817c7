import type { Axis } from "./axis.ts";
import { levelsOf, stepAxis } from "./axis.ts";
import { background, cellBeside, representer } from "./represent.ts";
import type { Format, Sketch } from "./sketch.ts";
import { mapSteps, type Steps } from "./steps.ts";

/**
 * One neuron (or few) per point that differs from the background: with a step neuron per boundary of every axis, a neuron that counts the steps
 * below the point with + and those above with − has its peak at the point, and rests at a(−M) everywhere else.
 *
 * @param axes independent functions of the input that together tell all points apart; all of one layer
 * @param coordinates level of every axis for every input, axes together
 * @param sketch already holding the axes
 */
export function* addPoints(
  sketch: Sketch,
  axes: readonly Axis[],
  coordinates: readonly (readonly number[])[],
  f: ArrayLike<number>,
  format: Format,
  binary: boolean,
): Steps<boolean> {
  const { m, s, low, table, rise } = format;
  const steps = yield* mapSteps(axes, (axis) =>
    stepAxis(
      sketch,
      axis,
      levelsOf(axis.values).levels.map((_, i) => i),
      format,
      binary,
    ),
  );
  if (rise === 0 || steps.some((axis) => axis === undefined)) return false;
  const layer = axes[0]!.layer + 2;
  const bias = background(f);
  const represent = representer(format, binary ? 4 * m * s : m, binary ? s : 1);
  const sign = Math.sign(rise);
  const outputs: [number, number][] = [];
  let resting = 0;
  for (let i = 0; i < f.length; i++) {
    if (f[i] === bias) continue;
    yield;
    const terms = yield* represent(cellBeside(f[i]!, bias, format));
    if (terms === undefined) return false;
    for (const { z, weight } of terms) {
      const neuron = peak(z, coordinates[i]!);
      if (neuron === undefined) return false;
      outputs.push([sketch.add(layer, neuron.terms, neuron.bias), weight]);
      resting -= weight * table[0]!;
    }
  }
  return finish(sketch, layer + 1, outputs, bias, resting, format);

  /** z at the point, and at most `low` one step away on any axis. */
  function peak(z: number, point: readonly number[]) {
    // Binary networks need the same number of copies for every neuron.
    const k = binary
      ? s * Math.ceil((m - low) / Math.abs(rise))
      : Math.max(1, Math.ceil((s * (z - low)) / Math.abs(rise)));
    const terms: [number, number][] = [];
    let sum = 0;
    steps.forEach((axis, a) => {
      axis!.terms.forEach(([source], boundary) => {
        const above = boundary >= point[a]!;
        const coefficient = (above ? -k : k) * sign;
        terms.push([source, coefficient]);
        sum += coefficient * (above ? table[0]! : table.at(-1)!);
      });
    });
    const remainder = ((sum % s) + s) % s;
    // Whole units shift exactly; a rest below half a unit rounds away; a half would need a tie to go our way.
    if (2 * remainder === s) return undefined;
    const whole = Math.round((sum - remainder) / s) + (2 * remainder > s ? 1 : 0);
    return { terms, bias: z - whole };
  }
}

/**
 * The output neuron. What cannot be carried by its bias, because it is no multiple of s, a neuron that rests at some value of the activation carries;
 * false where none can.
 */
export function finish(
  sketch: Sketch,
  layer: number,
  outputs: [number, number][],
  bias: number,
  resting: number,
  { m, s, table }: Format,
): boolean {
  if (resting % s === 0) {
    sketch.add(layer, outputs, bias + resting / s);
    return true;
  }
  const values = new Map(Array.from(table, (value, i) => [value, i - m] as const));
  for (let size = 1; size <= s; size++) {
    for (const [value, z] of values) {
      for (const c of [size, -size]) {
        if ((resting - c * value) % s !== 0) continue;
        sketch.add(layer, [...outputs, [sketch.add(layer - 1, [], z), c]], bias + (resting - c * value) / s);
        return true;
      }
    }
  }
  return false;
}
