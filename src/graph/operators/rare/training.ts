import { sizeOf } from "../../../tensor/index.ts";
import { shape as shapeConstant } from "../attend.ts";
import { typeCode } from "../cast.ts";
import { FLOATS, type Operator, sameRank } from "../operator.ts";
import type { Rewrite } from "../rewrite.ts";
import { uniform } from "./random.ts";

/** Statistics of the batch in place of those that were learned, which move towards them. */
const batchNormalization: Rewrite = (node, make) => {
  const [input = "", scale = "", bias = "", mean = "", variance = ""] = node.inputs;
  const { epsilon = 1e-5, momentum = 0.9 } = node.attributes;
  const number = (value: unknown): string => make.op("CastLike", [make.tensor("number", "float32", Number(value)), x]);
  const x = make.op("Reshape", [input, make.integers("rows", [0, 0, -1])]);
  const channels = make.integers("channels", [0, 2]);
  const average = (of: string): string => make.op("ReduceMean", [of, channels], { keepdims: 1 });
  const along = (vector: string): string =>
    make.op("CastLike", [make.op("Unsqueeze", [vector, make.integers("row", [1])]), x]);
  const middle = average(x);
  const centred = make.op("Sub", [x, middle]);
  const spread = average(make.op("Mul", [centred, centred]));
  const unit = make.op("Div", [centred, make.op("Sqrt", [make.op("Add", [spread, number(epsilon)])])]);
  const scaled = make.op("Add", [make.op("Mul", [unit, along(scale)]), along(bias)]);
  make.output(0, "Reshape", [scaled, make.op("Shape", [input])], { allowzero: 1 });
  for (const [i, [before, now]] of [
    [mean, middle],
    [variance, spread],
  ].entries()) {
    if (!make.wants(i + 1)) continue;
    const like = (value: string): string => make.op("CastLike", [value, before!]);
    const kept = make.op("Mul", [before!, like(number(momentum))]);
    const gained = make.op("Mul", [like(make.op("Squeeze", [now!, channels])), like(number(1 - Number(momentum)))]);
    make.output(i + 1, "Add", [kept, gained]);
  }
  return make.done();
};

/** Elements fall out by chance, the others are scaled up by as much. */
const dropout: Operator["expands"] = (call, make) => {
  const { node } = call;
  const [input = "", given = ""] = node.inputs;
  const shape = call.shape(0);
  const known = call.has(1) ? call.constant(1) : undefined;
  if (known !== undefined && !(call.single(1) >= 0 && call.single(1) < 1))
    throw call.fail(`the ratio expected a number in 0..1, 1 excluded, got ${call.single(1)}`);
  const number = (value: number): string => make.tensor("number", "float32", value);
  const like = (value: string): string => make.op("CastLike", [value, input]);
  const ratio = call.has(1) ? make.op("Cast", [given], { to: typeCode("float32") }) : number(0.5);
  const draws = make.op("Reshape", [uniform(make, node, sizeOf(shape)), shapeConstant(make, shape)]);
  const stays = make.op("GreaterOrEqual", [draws, make.op("Cast", [ratio], { to: typeCode("float64") })]);
  const factor = make.op("Div", [number(1), make.op("Sub", [number(1), ratio])]);
  make.output(0, "Where", [stays, make.op("Mul", [input, like(factor)]), like(number(0))]);
  make.output(1, "Identity", [stays]);
  return make.done();
};

/** What two operators do in training, as files exported in that mode have them. */
export const training = {
  "bitbasis/TrainingBatchNormalization": {
    since: 1,
    inputs: "T U U V V",
    types: { T: FLOATS, U: FLOATS, V: FLOATS },
    attributes: { epsilon: "float", momentum: "float", training_mode: "int" },
    becomes: batchNormalization,
  },
  "bitbasis/TrainingDropout": {
    since: 1,
    inputs: "T U? bool?",
    types: { T: FLOATS, U: FLOATS },
    attributes: { seed: "int" },
    rank: sameRank,
    expands: dropout,
    random: true,
  },
} as const satisfies Readonly<Record<string, Operator>>;
