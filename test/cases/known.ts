// Cases that fail, and how they failed when they were put on this list. The test asserts that each of them still does: whoever mends one takes its line out.
// The empty line between two of them lets several people do so at once without a conflict.
export const KNOWN: Readonly<Record<string, string>> = {
  "hostile-read-before-written": 'call 1: bare INTERNAL: value "y" is read before it is written',

  "hostile-resize-trap": "call 1: bare RuntimeError: memory access out of bounds",

  "onehot-negative":
    'create: BitbasisError UNSUPPORTED: the model uses operators that are not supported: OneHot (opset 13): node "OneHot_Y"',

  "pad-opset10-float64": "call 1: bare RangeError: Invalid typed array length: 8",

  "power-mel-log": 'faithful, scalar: call 1: "Y" is off by 9.81e-1 of the largest, allowed is 0.01',

  stft17:
    'create: BitbasisError UNSUPPORTED: the model uses operators that are not supported: STFT (opset 17): node "STFT_Y"',
};
