// Cases that fail, and how they failed when they were put on this list. The test asserts that each of them still does: whoever mends one takes its line out.
// The empty line between two of them lets several people do so at once without a conflict.
export const KNOWN: Readonly<Record<string, string>> = {
  "conv-3d": 'call 1: BitbasisError UNSUPPORTED: node "Conv_0" (Conv, opset 17): 3 spatial dimensions',

  "exp-float64":
    'call 1: BitbasisError UNSUPPORTED: node "Exp_0" (Exp, opset 11): element type float64 where float32 is expected',

  "external-data-beside-path":
    'create: BitbasisError MODEL: initializer "W" keeps its data in "external-data-beside-path.onnx_data": pass these bytes a',

  "external-data-ort-form":
    'create: BitbasisError MODEL: initializer "W" keeps its data in "external-data-ort-form.onnx_data": pass these bytes as e',

  "gemm-float64": 'call 1: BitbasisError UNSUPPORTED: node "Gemm_0" (Gemm, opset 20): a product of float64',

  "gridsample-border":
    'create: BitbasisError UNSUPPORTED: the model uses operators that are not supported: GridSample (opset 20): node "GridSam',

  "hardswish-large": 'call 1: "y" [0] = Infinity, not 3.3999999521443642e+38',

  "hostile-axes-map": "create: bare TypeError: axes.map is not a function",

  "hostile-read-before-written-v2": 'call 1: bare INTERNAL: value "steps" is read before it is written',

  "hostile-read-before-written": 'call 1: bare INTERNAL: value "y" is read before it is written',

  "hostile-resize-trap": "call 1: bare RuntimeError: memory access out of bounds",

  "isinf-float64": 'call 1: "y0" [0] = 1, not 0',

  "layernorm-decomposed-constant-rows": 'call 1: "y" is off by 3.98e+0 of the largest, allowed is 0.00001',

  "layernorm-mean-10000": 'call 1: "y" is off by 3.01e-4 of the largest, allowed is 0.0001',

  "lstm-forward":
    'create: BitbasisError UNSUPPORTED: the model uses operators that are not supported: LSTM (opset 14): node "LSTM_Y"',

  "matmul-int64": 'call 1: BitbasisError UNSUPPORTED: node "MatMul_0" (MatMul, opset 13): a product of int64',

  "maxpool-3d-ceil": 'call 1: BitbasisError UNSUPPORTED: node "MaxPool_Y" (MaxPool, opset 14): 3 spatial axes',

  "maxpool-indices":
    'call 1: BitbasisError UNSUPPORTED: node "MaxPool_0" (MaxPool, opset 12): the indices of the maxima',

  "maxpool-uint8":
    'call 1: BitbasisError UNSUPPORTED: node "MaxPool_0" (MaxPool, opset 13): element type uint8 where float32 is expected',

  "onehot-negative":
    'create: BitbasisError UNSUPPORTED: the model uses operators that are not supported: OneHot (opset 13): node "OneHot_Y"',

  "overridable-init": 'call 2: RangeError: the model has no input "scale"; its inputs are "X"',

  "pad-opset10-float64": "call 1: bare RangeError: Invalid typed array length: 8",

  "pow-int-exponent-parity": 'call 1: "y" is off by 1.95e-3 of the largest, allowed is 0.00001',

  "power-mel-log": 'faithful, scalar: call 1: "Y" is off by 9.81e-1 of the largest, allowed is 0.01',

  "qdq-activation":
    'create: BitbasisError UNSUPPORTED: the model uses operators that are not supported: QuantizeLinear (opset 13): node "Qua',

  "reducemax-empty-bool": 'call 1: "y0" [0] = 1, not 0',

  "reducemax-empty-int8": 'call 1: "y0" [0] = 0, not -128',

  "reducemean-float64":
    'call 1: BitbasisError UNSUPPORTED: node "ReduceMean_0" (ReduceMean, opset 21): reduction of float64',

  "scatternd-add-int16":
    'call 1: BitbasisError UNSUPPORTED: node "ScatterND_0" (ScatterND, opset 18): reduction "add" of int16',

  "shrink-uint16":
    'call 1: BitbasisError UNSUPPORTED: node "Shrink_0" (Shrink, opset 21): element type uint16 where float32 is expected',

  "sign-float64": 'call 1: BitbasisError UNSUPPORTED: node "Sign_0" (Sign, opset 10): Sign of float64',

  "softmax-float64":
    'call 1: BitbasisError UNSUPPORTED: node "Softmax_0" (Softmax, opset 20): element type float64 where float32 is expected',

  stft17:
    'create: BitbasisError UNSUPPORTED: the model uses operators that are not supported: STFT (opset 17): node "STFT_Y"',

  "thresholdedrelu-nan": 'call 1: "y" [0] = NaN, not 0',

  "topk-int64": 'call 1: BitbasisError UNSUPPORTED: node "TopK_0" (TopK, opset 22): TopK of int64',

  "uint64-clip": 'call 1: "y0" [2] = 18446744073709551614, not 1',

  "uint64-div": 'call 1: "y0" [1] = 0, not 1',

  "uint64-less": 'call 1: "y0" [2] = 1, not 0',

  "uint64-min": 'call 1: "y0" [2] = 18446744073709551615, not 0',

  "uint64-shift-right": 'call 1: "y0" [1] = 18446744073709551615, not 9223372036854775807',
};
