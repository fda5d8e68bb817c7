// The engines as a page knows them. Each loads itself and a network: a function that runs it once and resolves to its output as float32. Everyone gets the bytes of its own format, that are
// in memory already, one thread, and a picture in the layout that it wants; its code is loaded with it.
import { transposed } from "./layers.mjs";

/** @returns by name what `load` a network makes a `run` */
export function engines({ shape, channelsFirst, channelsLast, network, files }) {
  const session = async (bytes, options) => {
    const { InferenceSession, Tensor } = await import("bitbasis");
    const loaded = await InferenceSession.create(bytes, options);
    const feeds = { [loaded.inputNames[0]]: new Tensor("float32", channelsFirst, shape) };
    return async () => (await loaded.run(feeds))[loaded.outputNames[0]].data;
  };
  const lite = (bytes) => async () => {
    const { Tensor: LiteTensor, loadAndCompile, loadLiteRt } = await import("/litert/dist/index.js");
    globalThis.liteRtLoaded ??= loadLiteRt("/litert/wasm/");
    await globalThis.liteRtLoaded;
    const model = await loadAndCompile(bytes, { accelerator: "wasm", cpuOptions: { numThreads: 1 } });
    const [, channels, height, width] = shape;
    return async () => {
      const picture = new LiteTensor(channelsLast, [1, height, width, channels]);
      const [result] = await model.run(picture);
      const data = result.toTypedArray().slice();
      picture.delete();
      result.delete();
      return data;
    };
  };
  return {
    "onnxruntime-web": async () => {
      const ort = await import("/ort/ort.wasm.bundle.min.mjs");
      ort.env.wasm.numThreads = 1;
      ort.env.wasm.wasmPaths = "/ort/";
      const loaded = await ort.InferenceSession.create(files.onnx, { executionProviders: ["wasm"] });
      const feeds = { [loaded.inputNames[0]]: new ort.Tensor("float32", channelsFirst, shape) };
      return async () => (await loaded.run(feeds))[loaded.outputNames[0]].data;
    },
    "tfjs-wasm": () => tensorflow(network, channelsLast),
    "LiteRT FP32": lite(files.float32),
    "LiteRT 8-bit weights": lite(files.weights),
    "LiteRT int8, calibrated": lite(files.int8),
    "bitbasis float32": () => session(files.onnx, { preset: "float32" }),
    "bitbasis faithful": () => session(files.onnx, { preset: "faithful" }),
    "bitbasis fast": () => session(files.onnx, { preset: "fast" }),
    "bitbasis fast, container": () => session(files.container),
  };
}

async function script(url) {
  await new Promise((resolve, reject) => {
    const element = Object.assign(document.createElement("script"), { src: url, onload: resolve });
    element.onerror = () => reject(new Error(`${url} could not be loaded`));
    document.head.append(element);
  });
}

async function tensorflow({ input, output, layers }, picture) {
  await script("/tfjs/core.js");
  await script("/tfjs/tf-backend-wasm.min.js");
  const { tf } = globalThis;
  if (tf.getBackend() !== "wasm") {
    tf.wasm.setThreadsCount(1);
    tf.wasm.setWasmPaths("/tfjs/");
    await tf.setBackend("wasm");
    await tf.ready();
  }
  const dims = {
    conv: ({ weights, kernel, shape: [, , , out] }) => [...kernel, weights.length / out / kernel[0] / kernel[1], out],
    depthwise: ({ kernel, shape: [, , , out] }) => [...kernel, out, 1],
    dense: ({ weights, shape: [, out] }) => [weights.length / out, out],
  };
  const parameters = new Map();
  for (const layer of layers) {
    const { kind, output: name, weights, bias } = layer;
    if (weights === undefined) continue;
    const columns = kind === "depthwise" ? 1 : layer.shape.at(-1);
    const rows = weights.length / columns;
    // Ours are row by row of the output channels, theirs column by column.
    const data = kind === "depthwise" ? weights : transposed(weights, columns, rows);
    parameters.set(name, [tf.tensor(data, dims[kind](layer)), tf.tensor1d(bias)]);
  }
  const apply = (layer, values) => {
    const { kind, activation, strides, kernel, pads, begin, end, stride, around } = layer;
    const [x, y] = layer.inputs.map((name) => values.get(name));
    const [filter, bias] = parameters.get(layer.output) ?? [];
    const pad = pads && [
      [0, 0],
      [pads[0], pads[2]],
      [pads[1], pads[3]],
      [0, 0],
    ];
    switch (kind) {
      case "conv":
        return tf.fused.conv2d({ x, filter, strides, pad, bias, activation });
      case "depthwise":
        return tf.fused.depthwiseConv2d({ x, filter, strides, pad, bias, activation });
      case "dense":
        return tf.fused.matMul({ a: tf.reshape(x, [1, -1]), b: filter, bias, activation });
      case "add":
        return activation ? tf[activation](tf.add(x, y)) : tf.add(x, y);
      case "max":
        return tf.maxPool(x, kernel, strides, "valid");
      case "mean":
        return tf.mean(x, [1, 2], true);
      case "concat":
        return tf.concat(
          layer.inputs.map((name) => values.get(name)),
          3,
        );
      case "slice":
        return tf.stridedSlice(x, begin, end, stride);
      case "pad":
        return tf.pad(x, around);
    }
  };
  return async () => {
    const result = tf.tidy(() => {
      const values = new Map([[input.name, tf.tensor(picture, input.shape)]]);
      for (const layer of layers) values.set(layer.output, apply(layer, values));
      return values.get(output.name);
    });
    const data = await result.data();
    result.dispose();
    return data;
  };
}
