import type { Node } from "../graph.ts";
import { type Editor, key, type Rule } from "./editor.ts";
import { turnsMatrix } from "./layout.ts";

/**
 * A table of bytes whose rows are looked up and that is also multiplied, each dequantized for itself, is one table of floats for both, which is stored once:
 * with one scale it is the same to dequantize before the lookup or behind it. Decoders that come quantized have their embedding so.
 */
export const tieBytes: Rule = (node, editor) => {
  if (key(node) !== "MatMul") return false;
  const table = turnedTable(node.inputs[1], editor);
  if (table === undefined) return false;
  for (const gather of editor.readers(table.bytes)) {
    const read = key(gather) === "Gather" ? editor.onlyReader(gather.outputs[0]!) : undefined;
    if (read === undefined || !isDequantized(read, table) || gather.inputs[0] !== table.bytes) continue;
    if ((gather.attributes["axis"] ?? 0) !== 0) continue;
    const dequantized = (by: Node): Node => {
      const output = editor.newValue(`${table.bytes}/dequantized`);
      const inputs = [table.bytes, ...table.scales];
      return {
        name: `${by.name}/table`,
        op: "DequantizeLinear",
        domain: "",
        inputs,
        outputs: [output],
        attributes: {},
      };
    };
    const [looked, multiplied] = [dequantized(gather), dequantized(node)];
    editor.remove(gather);
    editor.replace(read, looked, { ...gather, inputs: [looked.outputs[0]!, gather.inputs[1]!], outputs: read.outputs });
    const inputs = [node.inputs[0]!, multiplied.outputs[0]!];
    editor.replace(node, multiplied, { ...node, domain: "bitbasis", inputs, attributes: { transB: 1 } });
    return true;
  }
  return false;
};

/** A matrix of bytes with one scale. */
interface Table {
  readonly bytes: string;
  /** Scale and zero point, "" for none. */
  readonly scales: readonly string[];
}

/** The table that a value is, transposed and dequantized in either order. */
function turnedTable(value: string | undefined, editor: Editor): Table | undefined {
  const last = editor.madeBy(value, "DequantizeLinear", "Transpose");
  const first = editor.madeBy(last?.inputs[0], last?.op === "Transpose" ? "DequantizeLinear" : "Transpose");
  if (last === undefined || first === undefined) return undefined;
  const [turned, dequantized] = last.op === "Transpose" ? [last, first] : [first, last];
  const bytes = first.inputs[0]!;
  const tensor = editor.constant(bytes);
  const scales = dequantized.inputs.slice(1);
  const isOne = scales.every((name) => name === "" || editor.constant(name)?.size === 1);
  if (tensor?.dims.length !== 2 || !isOne || editor.constant(scales[0])?.type !== "float32") return undefined;
  return turnsMatrix(turned) && hasPlainScales(dequantized) ? { bytes, scales } : undefined;
}

function isDequantized(node: Node, { scales }: Table): boolean {
  return key(node) === "DequantizeLinear" && hasPlainScales(node) && node.inputs.slice(1).join() === scales.join();
}

/** Of a DequantizeLinear: neither blocks nor a type of its own for the result. */
export function hasPlainScales({ attributes }: Node): boolean {
  return (attributes["block_size"] ?? 0) === 0 && !("output_dtype" in attributes);
}
