// One graph for several feeds, node by node beside each other. What one of them finds out is taken for the others where they read the same: equal values and
// small constants of theirs are one object, so that looking at objects tells; nodes that become others do so once.
import type { Shape, Tensor } from "../tensor/index.ts";
import type { Graph, KnownValue, Node } from "./graph.ts";
import type { Call } from "./operators/call.ts";
import { normalize } from "./passes/normalize.ts";
import { isVisit, Specializer, type specialize } from "./specialize.ts";
import type { SpecializeOptions, Stage, Stop, Visit } from "./stage.ts";

/** Constants of at most so many elements are compared. */
const SMALL = 16;

/** What becomes of a node that is not folded: other nodes, or the one that runs; and the names that it takes. */
interface Settled {
  readonly nodes?: readonly Node[];
  readonly kept?: Node;
  readonly taken: readonly Taken[];
}

interface Taken {
  readonly base: string;
  readonly name: string;
  readonly tensor: Tensor | undefined;
}

/**
 * Specializations of one graph for several feeds, which go from node to node beside each other; what feeds do not change is found out once.
 *
 * @param judge - is told about every node of an operator, as each of them finds it; says whether it is folded where it can be, or undefined to give up
 * @returns undefined when it has been given up, or one of them needs more than shapes
 */
export function specializeTogether(
  graph: Graph,
  feeds: readonly Parameters<typeof specialize>[1][],
  options: SpecializeOptions,
  judge: (visits: readonly Visit[]) => "fold" | "keep" | undefined,
): Stage[] | undefined {
  const all = feeds.map((one) => new Companion(...Specializer.begin(normalize(graph), options)).fed(graph, one));
  const [first, ...others] = all as [Companion, ...Companion[]];
  for (const one of others) one.follow(first);
  for (;;) {
    const visit = first.next();
    const visits = [visit, ...others.map((one) => one.next(isVisit(visit) ? visit : undefined))];
    if (visits.every((one) => one === undefined)) return all.map((one) => one.stage(undefined));
    if (!visits.every(isVisit)) return undefined;
    const fate = judge(visits);
    if (fate === undefined || all.some((one, i) => one.settle(visits[i]!, fate === "fold") !== undefined))
      return undefined;
  }
}

class Companion extends Specializer {
  private leader: Companion | undefined;
  private readonly settled = new Map<Visit, Settled>();
  private taken: Taken[] = [];
  /** The node that is looked at, as the leader has found it. */
  private like: Visit | undefined;

  /** Makes it another specialization of the leader's graph. */
  follow(leader: Companion): void {
    this.leader = leader;
    for (const { name } of this.graph.inputs) {
      const own = this.values.get(name);
      if (own !== undefined) this.values.set(name, shared(own, leader.values.get(name)));
    }
  }

  /** The next node of an operator, which is to be settled, or what it stops at; undefined at the end. `like`: the same node under other feeds. */
  next(like?: Visit): Visit | Stop | undefined {
    this.like = like;
    for (let node = this.following(); node !== undefined; node = this.following()) {
      const found = this.look(node);
      if (found === undefined) continue;
      if (like === undefined || !isVisit(found) || found.like !== undefined) return found;
      const outputs = found.outputs.map((value, i) => shared(value, like.outputs[i]));
      return { ...found, outputs, folded: found.folded?.map((tensor, i) => sharedTensor(tensor, like.folded?.[i])) };
    }
    return undefined;
  }

  protected override find(call: Call): Visit | Stop | undefined {
    const { like } = this;
    return like !== undefined && isLike(like.call, call) ? { ...like, node: call.node, call, like } : super.find(call);
  }

  override settle(visit: Visit, folds: boolean): Stop | undefined {
    if (visit.folded !== undefined && folds) return super.settle(visit, folds);
    const known = this.asLeader(visit);
    if (known !== undefined) {
      if (known.nodes !== undefined) this.frames.push({ nodes: known.nodes, next: 0 });
      else this.keep(known.kept!, visit.outputs);
      return undefined;
    }
    const depth = this.frames.length;
    this.taken = [];
    const stop = super.settle(visit, folds);
    const { taken } = this;
    const became = this.frames.length > depth ? { nodes: this.frames.at(-1)!.nodes } : { kept: this.nodes.at(-1)! };
    if (stop === undefined && this.leader === undefined) this.settled.set(visit, { ...became, taken });
    return stop;
  }

  /** What the node has become under the leader's feeds, if it reads the same under these and the names that it takes are free. */
  private asLeader({ node, like }: Visit): Settled | undefined {
    const settled = like && this.leader?.settled.get(like);
    if (settled === undefined) return undefined;
    if (!sameNames(node.inputs, like!.node.inputs) || !sameNames(node.outputs, like!.node.outputs)) return undefined;
    if (settled.kept !== undefined) this.grows(node);
    const free = settled.taken.every(({ base, name, tensor }) => super.take(base, tensor) === name);
    return free ? settled : undefined;
  }

  protected override take(base: string, own?: Tensor): string {
    const name = super.take(base, own);
    const tensor = own && sharedTensor(own, this.leader?.constants.get(name));
    if (tensor !== undefined && tensor !== own) {
      this.constants.set(name, tensor);
      this.values.set(name, { type: tensor.type, shape: tensor.dims });
    }
    this.taken.push({ base, name, tensor });
    return name;
  }
}

/** Whether two calls are of the same operator and read the same: what is found out about one holds for both. */
function isLike(one: Call, other: Call): boolean {
  const [a, b] = [one.node, other.node];
  return (
    a.op === b.op &&
    a.domain === b.domain &&
    one.inputs.length === other.inputs.length &&
    one.inputs.every((own, i) => {
      const input = other.inputs[i];
      const isSame = input === own || (input?.type === own?.type && input?.shape === own?.shape);
      return isSame && one.constants[i] === other.constants[i];
    }) &&
    sameAttributes(a.attributes, b.attributes)
  );
}

export function sameAttributes(a: Node["attributes"], b: Node["attributes"]): boolean {
  const names = a === b ? [] : Object.keys(a);
  return a === b || (names.length === Object.keys(b).length && names.every((name) => sameAttribute(a[name], b[name])));
}

function sameAttribute(a: unknown, b: unknown): boolean {
  if (!Array.isArray(a) || !Array.isArray(b)) return Object.is(a, b);
  return a.length === b.length && a.every((one, i) => Object.is(one, b[i]));
}

/** The other value or small constant in place of an equal one. */
function shared(own: KnownValue, other: KnownValue | undefined): KnownValue {
  return other !== undefined && own.type === other.type && sameShape(own.shape, other.shape) ? other : own;
}

function sharedTensor(own: Tensor, other: Tensor | undefined): Tensor {
  if (other === undefined || own.type !== other.type || own.size > SMALL || !sameShape(own.dims, other.dims))
    return own;
  const [a, b] = [own.data as ArrayLike<unknown>, other.data as ArrayLike<unknown>];
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return own;
  return other;
}

function sameShape(a: Shape, b: Shape): boolean {
  return a === b || (a.length === b.length && a.every((d, i) => d === b[i]));
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}
