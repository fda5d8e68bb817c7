// Large weights are made ready in pieces, with stops in between, before the nodes that read them are lowered. A chunk of its own: few models have weights of 2^21 elements.
import type { Constants } from "./constants.ts";
import type { Lower, Lowering } from "./lowering.ts";
import type { Panels } from "./panels.ts";
import { isLarge } from "./planned.ts";

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
      try {
        // The stop at which it was begun.
        yield;
        yield* error.work;
      } finally {
        error.work.return(undefined);
      }
    } finally {
      for (const { at } of beside.owned) l.constants.core.release(at);
    }
  }
}

/** A lowering that knows what `l` knows, whose steps nobody sees. */
function aside(l: Lowering): Lowering {
  const { constants, panels } = l;
  return changed(l, {
    steps: [...l.steps],
    buffers: l.buffers.map((buffer) => ({ ...buffer })),
    located: new Map(l.located),
    shared: new Map(l.shared),
    makers: new Map(l.makers),
    views: new Map(l.views),
    blocks: new Map(l.blocks),
    owned: [],
    panels: changed(panels, { place: (...args: Parameters<Panels["place"]>) => begun(panels.placing(...args)) }),
    constants: changed(constants, {
      place: (...args: Parameters<Constants["place"]>) => begun(constants.placing(...args)),
    }),
  });
}

/** An object that has all of another, but for some of it. */
function changed<T extends object>(one: T, some: Partial<T>): T {
  return Object.assign(Object.create(Object.getPrototypeOf(one)), one, some);
}

/** What is there, or done before the first stop. */
function begun<T>(work: Generator<undefined, T, void>): T {
  const { done, value } = work.next();
  if (done === true) return value;
  throw new Unready(work);
}
