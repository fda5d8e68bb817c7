// Large weights are made ready in pieces, with stops in between, before the nodes that read them are lowered. A chunk of its own: few models have weights of 2^21 elements.
import type { Core } from "../core/index.ts";
import type { Constants } from "./constants.ts";
import type { Lower, Lowering } from "./lowering.ts";
import type { Panels } from "./panels.ts";
import { isLarge } from "./planned.ts";

/** Bytes that are copied or packed between two stops: 10 ms or so. */
const PIECE = 2 ** 22;

type Work = Generator<undefined, unknown, void>;

/** A weight that the node's lowering asks for is not ready. */
class Unready extends Error {
  constructor(readonly work: Work) {
    super("a weight is not ready");
  }
}

/** Makes ready what lowering the current node asks for, so that it finds it there: the node is lowered on the side, again after each weight. */
export function* ready(l: Lowering, lower: Lower): Generator<undefined, void, void> {
  const { graph, weights } = l.planned;
  if (!l.node.inputs.some((name) => isLarge(weights.get(name) ?? graph.initializers.get(name)))) return;
  for (;;) {
    const beside = aside(l);
    try {
      lower(beside);
      return;
    } catch (error) {
      // Every other error comes again where it belongs.
      if (!(error instanceof Unready)) return;
      yield* error.work;
    } finally {
      for (const { at } of beside.owned) l.constants.core.release(at);
    }
  }
}

/** A lowering that knows what `l` knows, whose steps nobody sees. */
function aside(l: Lowering): Lowering {
  const { core } = l.constants;
  const place = (...args: Parameters<Panels["place"]>) => begun(l.panels.placing(...args));
  return Object.assign(Object.create(Object.getPrototypeOf(l)) as Lowering, l, {
    steps: [...l.steps],
    buffers: l.buffers.map((buffer) => ({ ...buffer })),
    located: new Map(l.located),
    shared: new Map(l.shared),
    makers: new Map(l.makers),
    views: new Map(l.views),
    blocks: new Map(l.blocks),
    owned: [],
    panels: Object.assign(Object.create(Object.getPrototypeOf(l.panels)) as Panels, l.panels, { place }),
    constants: {
      ...{ core, placed: l.constants.placed, derived: l.constants.derived },
      place: (...args: Parameters<Constants["place"]>) => begun(placing(l.constants, ...args)),
      derive: (...args: Parameters<Constants["derive"]>) => begun(deriving(l.constants, ...args)),
    },
  });
}

/** What is there, or done before the first stop. */
function begun<T>(work: Generator<undefined, T, void>): T {
  const { done, value } = work.next();
  if (done === true) return value;
  throw new Unready(work);
}

function* placing(
  { core, placed }: Constants,
  ...[key, make]: Parameters<Constants["place"]>
): Generator<undefined, number, void> {
  const known = placed.get(key);
  if (known !== undefined) return known;
  const at = yield* copied(core, make());
  placed.set(key, at);
  return at;
}

function* deriving(
  { core, derived }: Constants,
  ...[name, form, source, bytes, pack]: Parameters<Constants["derive"]>
): Generator<undefined, number, void> {
  const known = derived.get(name)?.get(form);
  if (known !== undefined) return known.at;
  const data = source();
  const parts = Math.ceil(data.byteLength / PIECE);
  const from = yield* copied(core, data);
  let at = 0;
  let part = 0;
  try {
    at = core.allocate(bytes);
    for (; part < parts; part++) {
      pack(from, at, part, parts);
      if (part + 1 < parts) yield;
    }
  } finally {
    core.release(from);
    if (at !== 0 && part < parts) core.release(at);
  }
  const forms = derived.get(name) ?? new Map();
  derived.set(name, forms.set(form, { at, pack }));
  return at;
}

/** Copies data into a new block, whose address it gives. */
function* copied(core: Core, data: ArrayBufferView): Generator<undefined, number, void> {
  const { buffer, byteOffset, byteLength } = data;
  const at = core.allocate(byteLength);
  let next = 0;
  try {
    for (; next < byteLength; next += PIECE) {
      const bytes = Math.min(PIECE, byteLength - next);
      core.u8(at + next, bytes).set(new Uint8Array(buffer, byteOffset + next, bytes));
      if (next + bytes < byteLength) yield;
    }
    return at;
  } finally {
    if (next < byteLength) core.release(at);
  }
}
