import { Opcode } from "../../core/abi/opcode.ts";
import { DeterminantStep } from "../../core/abi/spatial.ts";
import { step } from "../../core/index.ts";
import { sizeOf } from "../../tensor/index.ts";
import type { Lower } from "../lowering.ts";
import { inFloat32 } from "./support.ts";

const lowerDet: Lower = (l) =>
  inFloat32(l, l.input(0), l.output(), (x, out) => {
    const size = x.shape.at(-1)!;
    const count = sizeOf(out.shape);
    if (count === 0) return;
    const scratch = l.allocate((8 * size * size + 16) * l.threads);
    l.emit(
      step(Opcode.Determinant, DeterminantStep, {
        input: x.at,
        output: out.at,
        count,
        size,
        scratch,
        slots: l.threads,
      }),
      {
        kernel: "determinant",
        macs: count * size ** 3,
        bytes: 4 * (sizeOf(x.shape) + count),
        rows: count,
      },
    );
  });

export const DETERMINANT = { "/Det": lowerDet } satisfies Readonly<Record<string, Lower>>;
