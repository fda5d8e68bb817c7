import { BinaryFunction, UnaryFunction } from "../../core/abi/elementwise.ts";
import { Opcode } from "../../core/abi/opcode.ts";
import { ProductStep } from "../../core/abi/product.ts";
import { step } from "../../core/index.ts";
import { broadcast, type ElementType, elementBytes, sizeOf } from "../../tensor/index.ts";
import type { Lowering } from "../lowering.ts";
import { emitBinary } from "./binary.ts";
import {
  broadcastStrides,
  byteStrides,
  codeOf,
  constant,
  converted,
  emitCast,
  emitCopy,
  emitUnary,
  isFloat,
  type Source,
  temporary,
} from "./support.ts";

/** A matrix, or several: [batch, rows, columns], with the byte strides of its rows and columns. */
interface Matrix {
  readonly at: Source["at"];
  readonly batchStride: number;
  readonly rowStride: number;
  readonly columnStride: number;
}

/** The type that a product is computed in: unsigned integers as signed ones of their width, narrow ones as int32. */
function productType(l: Lowering, type: ElementType): "float64" | "int64" | "int32" {
  if (type === "string" || type === "bool") throw l.unsupported(`a product of ${type}`);
  if (isFloat(type)) return "float64";
  return elementBytes(type) === 8 ? "int64" : "int32";
}

/** The value in the type of products: as it is where the bits are the same. */
function operand(l: Lowering, x: Source, type: ElementType): Source {
  const same = !isFloat(x.type) && elementBytes(x.type) === elementBytes(type);
  return same ? { ...x, type } : converted(l, x, type);
}

function emitProduct(
  l: Lowering,
  type: ElementType,
  [a, b, output]: readonly [Matrix, Matrix, Source["at"]],
  [batch, rows, depth, columns]: readonly [number, number, number, number],
): void {
  if (batch * rows * columns === 0) return;
  l.emit(
    step(Opcode.Product, ProductStep, {
      ...{ a: a.at, b: b.at, output, type: codeOf(l, type), batch, rows, depth, columns },
      ...{ batchA: a.batchStride, rowA: a.rowStride, depthA: a.columnStride },
      ...{ batchB: b.batchStride, depthB: b.rowStride, columnB: b.columnStride },
    }),
    {
      kernel: `product_${type}`,
      macs: batch * rows * depth * columns,
      bytes: elementBytes(type) * batch * (rows * depth + depth * columns + rows * columns),
    },
  );
}

/** A dense stack of matrices, repeated for the whole batch where it has fewer. */
function stacked(l: Lowering, x: Source, batch: readonly number[], rows: number, columns: number): Matrix {
  const bytes = elementBytes(x.type);
  const shape = [...batch, rows, columns];
  let dense: Source = { ...x, shape: [...x.shape.slice(0, -2), rows, columns] };
  const shared = sizeOf(dense.shape) === rows * columns;
  if (!shared && sizeOf(dense.shape) !== sizeOf(shape)) {
    const wide = temporary(l, x.type, shape);
    emitCopy(l, x.at, wide.at, bytes, shape, broadcastStrides(dense, shape), byteStrides(wide));
    dense = wide;
  }
  const { at } = dense;
  return { at, batchStride: shared ? 0 : rows * columns * bytes, rowStride: columns * bytes, columnStride: bytes };
}

/** MatMul of float64 and integers. */
export function lowerPlainMatMul(l: Lowering): void {
  const y = l.output();
  const type = productType(l, y.type);
  const [a, b] = [operand(l, l.input(0), type), operand(l, l.input(1), type)];
  const depth = a.shape.at(-1) ?? 1;
  const rows = a.shape.length === 1 ? 1 : (a.shape.at(-2) ?? 1);
  const turned = l.attribute("transB", 0) !== 0;
  const columns = b.shape.length === 1 ? 1 : (b.shape.at(turned ? -2 : -1) ?? 1);
  const batch = broadcast(a.shape.slice(0, -2), b.shape.slice(0, -2)) ?? [];
  const bytes = elementBytes(type);
  const right = turned
    ? { at: b.at, batchStride: 0, rowStride: bytes, columnStride: depth * bytes }
    : stacked(l, b, batch, depth, columns);
  const result = plainResult(l, y, type);
  const matrices = [stacked(l, a, batch, rows, depth), right, result.at] as const;
  emitProduct(l, type, matrices, [sizeOf(batch), rows, depth, columns]);
  const bias = l.optional(2);
  if (bias !== undefined) emitBinary(l, BinaryFunction.Add, result, operand(l, bias, type), result);
  activate(l, result);
  finish(l, result, y);
}

/** The activation that a pass has put into the node. */
function activate(l: Lowering, y: Source): void {
  const activation = l.text("activation", "");
  const bound = (name: string): number => l.attribute(name, Number.NaN);
  if (activation === "HardSwish") {
    if (y.type !== "float64") throw l.unsupported(`HardSwish of ${y.type}`);
    emitUnary(l, UnaryFunction.HardSwish, y.at, y.at, sizeOf(y.shape), 0, 0, y.type);
  }
  if (activation !== "Clip") return;
  if (Number.isFinite(bound("min"))) emitBinary(l, BinaryFunction.AtLeast, y, constant(l, y.type, bound("min")), y);
  if (Number.isFinite(bound("max"))) emitBinary(l, BinaryFunction.AtMost, y, constant(l, y.type, bound("max")), y);
}

/** Where a product is computed: the output itself when it has the bits of the type. */
function plainResult(l: Lowering, y: Source, type: ElementType): Source {
  const direct = isFloat(y.type) === isFloat(type) && elementBytes(y.type) === elementBytes(type);
  return direct ? { ...y, type } : temporary(l, type, y.shape);
}

function finish(l: Lowering, result: Source, y: Source): void {
  if (result.at !== y.at) emitCast(l, result, y);
}

/** Gemm of float64 and integers; integers take integral alpha and beta only. */
export function lowerPlainGemm(l: Lowering): void {
  const y = l.output();
  const type = productType(l, y.type);
  const [a, b] = [operand(l, l.input(0), type), operand(l, l.input(1), type)];
  const [transA, transB] = [l.attribute("transA", 0) !== 0, l.attribute("transB", 0) !== 0];
  const [rows = 1, columns = 1] = y.shape;
  const depth = a.shape[transA ? 0 : 1] ?? 1;
  const bytes = elementBytes(type);
  const matrix = (x: Source, transposed: boolean): Matrix => {
    const [row, column] = [(x.shape[1] ?? 1) * bytes, bytes];
    return { at: x.at, batchStride: 0, rowStride: transposed ? column : row, columnStride: transposed ? row : column };
  };
  const result = plainResult(l, y, type);
  emitProduct(l, type, [matrix(a, transA), matrix(b, transB), result.at], [1, rows, depth, columns]);
  const factor = (name: string): number => {
    const value = l.attribute(name, 1);
    if (type !== "float64" && !Number.isInteger(value)) throw l.unsupported(`"${name}" = ${value} of ${y.type}`);
    return value;
  };
  const [alpha, beta] = [factor("alpha"), factor("beta")];
  if (alpha !== 1) emitBinary(l, BinaryFunction.Mul, result, constant(l, type, alpha), result);
  const c = l.optional(2);
  if (c !== undefined) {
    let addend = operand(l, c, type);
    if (beta !== 1) {
      const scaled = temporary(l, type, c.shape);
      emitBinary(l, BinaryFunction.Mul, addend, constant(l, type, beta), scaled);
      addend = scaled;
    }
    emitBinary(l, BinaryFunction.Add, result, addend, result);
  }
  finish(l, result, y);
}
