import { Opcode } from "../../core/abi/opcode.ts";
import { RotateStep } from "../../core/abi/rotary.ts";
import { step } from "../../core/index.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower } from "../lowering.ts";

/** bitbasis/Rotary: [batch, heads, places, size] by the cosines and sines of [batch or 1, 1, places, half]. */
const lowerRotary: Lower = (l) => {
  const [x, cosines, sines, y] = [l.input(0), l.input(1), l.input(2), l.output()];
  const [batch, heads, places, size] = x.shape as [number, number, number, number];
  const half = cosines.shape[3]!;
  const count = sizeOf(x.shape);
  if (count === 0) return;
  l.emit(
    step(Opcode.Rotate, RotateStep, {
      ...{ input: x.at, output: y.at, cosines: cosines.at, sines: sines.at, batch, heads, places, size, half },
      angleStride: cosines.shape[0] === 1 ? 0 : places * half,
      interleaved: l.attribute("interleaved", 0),
    }),
    { kernel: "rotate_f32", bytes: 8 * count },
  );
};

export const ROTARY = { "bitbasis/Rotary": lowerRotary } satisfies Readonly<Record<string, Lower>>;
