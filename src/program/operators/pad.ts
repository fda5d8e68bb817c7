import { bytesOf } from "../../core/index.ts";
import { type Shape, sizeOf } from "../../tensor/index.ts";
import type { Lowering, Operand } from "../lowering.ts";
import { emitExpand, emitFill, unit } from "./movement.ts";
import { axisOf, byteStrides, emitCopy, type Source, shifted } from "./support.ts";

/** What one axis of a Pad gets: its own elements first, then elements before and after them. */
interface PaddedAxis {
  readonly axis: number;
  readonly extent: number;
  readonly left: number;
  readonly right: number;
}

/**
 * Pad: constant, edge, reflect and wrap; negative pads crop. All but constant fill one axis after the other from the output itself, reflect and wrap by
 * as many periods as the pads ask for, as NumPy does.
 */
function lowerPad(l: Lowering): void {
  const [x, out] = [l.input(0), l.output()];
  // Nothing to fill; an axis without elements has no period either.
  if (sizeOf(out.shape) === 0) return;
  const mode = l.text("mode", "constant");
  const { before, after } = padsOf(l, x.shape.length);
  const bytes = unit(l, x);
  if (mode === "constant" && [...before, ...after].some((p) => p > 0)) emitPadding(l, out, bytes);
  const [from, to] = [byteStrides(x), byteStrides(out)];
  let [source, target] = [0, 0];
  const core = x.shape.map((extent, i) => {
    source += Math.max(0, -before[i]!) * from[i]!;
    target += Math.max(0, before[i]!) * to[i]!;
    return Math.max(0, extent + Math.min(0, before[i]!) + Math.min(0, after[i]!));
  });
  emitCopy(l, shifted(x.at, source), shifted(out.at, target), bytes, core, from, to);
  if (mode === "constant") return;
  const filled = [...core];
  core.forEach((extent, axis) => {
    // the axes done so far are complete, the ones to come start at their own left pad
    const corner = to.reduce((sum, s, i) => sum + (i > axis ? Math.max(0, before[i]!) * s : 0), 0);
    const padded = { axis, extent, left: Math.max(0, before[axis]!), right: Math.max(0, after[axis]!) };
    for (const piece of piecesOf(mode, padded)) emitPiece(l, out, filled, axis, corner, piece);
    filled[axis] = out.shape[axis]!;
  });
}

function padsOf(l: Lowering, rank: number): { before: number[]; after: number[] } {
  const given = l.constantNumbers(1) ?? [];
  const axes = (l.constantNumbers(3) ?? Array.from({ length: rank }, (_, i) => i)).map((a) => axisOf(l, a, rank));
  const before = new Array<number>(rank).fill(0);
  const after = new Array<number>(rank).fill(0);
  axes.forEach((axis, i) => {
    before[axis] = given[i]!;
    after[axis] = given[axes.length + i]!;
  });
  return { before, after };
}

/** Elements of one axis that are copied from others: `width` of them, from `first` on outwards, from `origin` on by `jump`. */
interface Piece {
  readonly width: number;
  readonly first: number;
  readonly direction: 1 | -1;
  readonly origin: number;
  readonly jump: number;
}

/** The copies that fill both sides of an axis, each from elements that are there by then: first what lies beside the elements once, then whole periods. */
function piecesOf(mode: string, { extent, left, right }: PaddedAxis): Piece[] {
  const end = left + extent - 1;
  const side = (width: number, first: number, direction: 1 | -1): Piece[] => {
    const nearest = first - direction;
    // One element reflects into itself.
    if (mode === "edge" || extent === 1) return [{ width, first, direction, origin: nearest, jump: 0 }];
    const reflects = mode === "reflect";
    const once = Math.min(width, reflects ? extent - 1 : extent);
    const pieces: Piece[] = [
      reflects
        ? { width: once, first, direction, origin: nearest - direction, jump: -direction }
        : { width: once, first, direction, origin: direction < 0 ? end : left, jump: direction },
    ];
    const period = reflects ? 2 * (extent - 1) : extent;
    for (let done = once; done < width; ) {
      // As many whole periods as there are: twice as many each time.
      const shift = period * Math.floor((extent + done) / period);
      const at = first + direction * done;
      const next = Math.min(width - done, shift);
      pieces.push({ width: next, first: at, direction, origin: at - direction * shift, jump: direction });
      done += next;
    }
    return pieces;
  };
  return [...side(left, left - 1, -1), ...side(right, end + 1, 1)].filter(({ width }) => width > 0);
}

function emitPiece(l: Lowering, out: Operand, filled: Shape, axis: number, corner: number, piece: Piece): void {
  const { width, first, direction, origin, jump } = piece;
  const to = byteStrides(out);
  const extents = filled.map((e, i) => (i === axis ? width : e));
  const outputs = to.map((s, i) => (i === axis ? s * direction : s));
  const inputs = to.map((s, i) => (i === axis ? s * jump : s));
  const [read, write] = [corner + origin * to[axis]!, corner + first * to[axis]!];
  emitCopy(l, shifted(out.at, read), shifted(out.at, write), unit(l, out), extents, inputs, outputs);
}

/** The bytes of the first element of a constant, zeros when there is none. */
function firstElement(x: Operand | undefined, bytes: number): Uint8Array {
  if (x?.constant === undefined) return new Uint8Array(bytes);
  return bytesOf(x.constant.data as ArrayBufferView).subarray(0, bytes);
}

/** The whole output becomes the padding value: known now, or copied from the input that holds it. */
function emitPadding(l: Lowering, out: Source, bytes: number): void {
  const value = l.optional(2);
  if (value === undefined || value.constant !== undefined) emitFill(l, out, firstElement(value, bytes));
  else emitExpand(l, { ...value, shape: [] }, out);
}

export const PAD = { "/Pad": lowerPad };
