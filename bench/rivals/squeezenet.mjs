// SqueezeNet 1.1 (arXiv 1602.07360 and its authors' later release) with random weights: its time does not depend on them.
import { Tensor } from "../../dist/entries/index.js";
import { normalNumbers, uniformNumbers } from "../../dist/tensor/index.js";

const FIRES = [
  [64, 16, 64],
  [128, 16, 64],
  "pool",
  [128, 32, 128],
  [256, 32, 128],
  "pool",
  [256, 48, 192],
  [384, 48, 192],
  [384, 64, 256],
  [512, 64, 256],
];

/** @returns a graph for `writeOnnx` */
export function squeezenet(seed) {
  const normal = normalNumbers(uniformNumbers(seed));
  const [nodes, initializers] = [[], new Map()];
  let count = 0;
  const node = (op, inputs, attributes = {}) => {
    const name = `v${count++}`;
    nodes.push({ name: `${name}_${op}`, op, domain: "", inputs, outputs: [name], attributes });
    return name;
  };
  const conv = (x, inside, out, kernel, stride = 1, pad = 0) => {
    const [w, b] = [`w${count}`, `b${count}`];
    const size = out * inside * kernel * kernel;
    const scale = Math.sqrt(2 / (inside * kernel * kernel));
    initializers.set(
      w,
      new Tensor(
        "float32",
        Float32Array.from({ length: size }, () => scale * normal()),
        [out, inside, kernel, kernel],
      ),
    );
    initializers.set(
      b,
      new Tensor(
        "float32",
        Float32Array.from({ length: out }, () => 0.1 * normal()),
        [out],
      ),
    );
    const attributes = {
      kernel_shape: [kernel, kernel],
      strides: [stride, stride],
      pads: [pad, pad, pad, pad],
      group: 1,
      dilations: [1, 1],
    };
    return node("Relu", [node("Conv", [x, w, b], attributes)]);
  };
  const pool = (x) => node("MaxPool", [x], { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 0, 0, 0] });
  let x = pool(conv("image", 3, 64, 3, 2));
  for (const fire of FIRES) {
    if (fire === "pool") x = pool(x);
    else {
      const [inside, squeeze, expand] = fire;
      const squeezed = conv(x, inside, squeeze, 1);
      x = node("Concat", [conv(squeezed, squeeze, expand, 1), conv(squeezed, squeeze, expand, 3, 1, 1)], { axis: 1 });
    }
  }
  const logits = node("Flatten", [node("GlobalAveragePool", [conv(x, 512, 1000, 1)])]);
  return {
    ...{ name: "squeezenet", opsets: { "": 13 }, initializers, nodes },
    inputs: [{ name: "image", type: "float32", shape: [1, 3, 224, 224] }],
    outputs: [{ name: logits, type: "float32", shape: [1, 1000] }],
  };
}
