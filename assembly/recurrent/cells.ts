// One row at one point in time of an RNN, a GRU or an LSTM; see RecurrentStep for the formulas. x is the row of the inputs' product; the gates hold
// the state's product and are worked on in place. Sums: state's product + input's product (+ peephole), in this order.
import { RecurrentStep } from "../../src/core/abi/recurrent";
import { UnaryFunction } from "../../src/core/abi/elementwise";
import { add, k, mul, sub } from "../math/lane";
import { address, argument, number } from "../step";
import { lanes, loadUpTo, storeUpTo } from "../tensor/lanes";
import { mapAll } from "../tensor/unary";

/** Row `row` of a matrix of `width` floats per row at word `word`. */
@inline
function rowAt(step: usize, word: i32, row: i32, width: i32): usize {
  return address(step, word) + (<usize>row * <usize>width << 2);
}

export function rnn(step: usize, b: i32, at: i32): void {
  const n = argument(step, RecurrentStep.hiddenSize);
  const a = rowAt(step, RecurrentStep.gates, b, n);
  accumulate(a, rowAt(step, RecurrentStep.input, at * argument(step, RecurrentStep.batch) + b, n), 0, n);
  activate(step, RecurrentStep.f, a, n);
  memory.copy(rowAt(step, RecurrentStep.state, b, n), a, <usize>n << 2);
}

/** The gates z and r, and what the candidate needs of r: r⊙(h·R + bias) in place, or r⊙h for the second product. */
export function gruGates(step: usize, b: i32, at: i32): void {
  const n = argument(step, RecurrentStep.hiddenSize);
  const two = argument(step, RecurrentStep.products) == 2;
  const a = rowAt(step, RecurrentStep.gates, b, 3 * n);
  const x = rowAt(step, RecurrentStep.input, at * argument(step, RecurrentStep.batch) + b, 3 * n);
  accumulate(a, x, 0, 2 * n);
  activate(step, RecurrentStep.f, a, 2 * n);
  const r = a + (<usize>n << 2);
  if (two) {
    multiply(rowAt(step, RecurrentStep.reset, b, n), r, rowAt(step, RecurrentStep.state, b, n), n);
    return;
  }
  const c = rowAt(step, RecurrentStep.candidate, b, 3 * n);
  const bias = address(step, RecurrentStep.extra);
  if (bias != 0) accumulate(c, bias, 0, n);
  multiply(c, r, c, n);
}

export function gruCandidate(step: usize, b: i32, at: i32): void {
  const n = argument(step, RecurrentStep.hiddenSize);
  const z = rowAt(step, RecurrentStep.gates, b, 3 * n);
  const c = rowAt(step, RecurrentStep.candidate, b, 3 * n);
  const x = rowAt(step, RecurrentStep.input, at * argument(step, RecurrentStep.batch) + b, 3 * n) + (<usize>n << 3);
  accumulate(c, x, 0, n);
  activate(step, RecurrentStep.g, c, n);
  const state = rowAt(step, RecurrentStep.state, b, n);
  if (ASC_FEATURE_SIMD) blend<v128>(state, z, c, n);
  else blend<f32>(state, z, c, n);
}

export function lstm(step: usize, b: i32, at: i32): void {
  const n = argument(step, RecurrentStep.hiddenSize);
  const width = <usize>n << 2;
  const i = rowAt(step, RecurrentStep.gates, b, 4 * n);
  const o = i + width;
  const f = o + width;
  const g = f + width;
  const state = rowAt(step, RecurrentStep.state, b, n);
  const cell = rowAt(step, RecurrentStep.cell, b, n);
  const peepholes = address(step, RecurrentStep.extra);
  accumulate(i, rowAt(step, RecurrentStep.input, at * argument(step, RecurrentStep.batch) + b, 4 * n), 0, 4 * n);
  if (peepholes != 0) {
    accumulate(i, peepholes, cell, n);
    accumulate(f, peepholes + 2 * width, cell, n);
  }
  activate(step, RecurrentStep.f, i, n);
  if (argument(step, RecurrentStep.coupled)) {
    if (ASC_FEATURE_SIMD) complement<v128>(f, i, n);
    else complement<f32>(f, i, n);
  } else {
    activate(step, RecurrentStep.f, f, n);
  }
  activate(step, RecurrentStep.g, g, n);
  multiply(cell, f, cell, n);
  accumulate(cell, i, g, n);
  if (peepholes != 0) accumulate(o, peepholes + width, cell, n);
  activate(step, RecurrentStep.f, o, n);
  memory.copy(g, cell, width);
  activate(step, RecurrentStep.h, g, n);
  multiply(state, o, g, n);
}

/** Clips n values, and applies the function whose code, alpha and beta begin at word `word`, in place. */
function activate(step: usize, word: i32, at: usize, n: i32): void {
  const clip = number(step, RecurrentStep.clip);
  if (clip < Infinity) mapAll(UnaryFunction.Clip, at, at, n, -clip, clip);
  mapAll(argument(step, word), at, at, n, number(step, word + 1), number(step, word + 2));
}

/** a += x, or a += x⊙y. */
function accumulate(a: usize, x: usize, y: usize, n: i32): void {
  if (ASC_FEATURE_SIMD) accumulateLanes<v128>(a, x, y, n);
  else accumulateLanes<f32>(a, x, y, n);
}

@inline
function accumulateLanes<T>(a: usize, x: usize, y: usize, n: i32): void {
  for (; n > 0; n -= lanes<T>()) {
    let v = loadUpTo<T>(x, n);
    if (y != 0) {
      v = mul<T>(v, loadUpTo<T>(y, n));
      y += sizeof<T>();
    }
    storeUpTo<T>(a, add<T>(loadUpTo<T>(a, n), v), n);
    a += sizeof<T>();
    x += sizeof<T>();
  }
}

/** to = x⊙y. */
function multiply(to: usize, x: usize, y: usize, n: i32): void {
  if (ASC_FEATURE_SIMD) multiplyLanes<v128>(to, x, y, n);
  else multiplyLanes<f32>(to, x, y, n);
}

@inline
function multiplyLanes<T>(to: usize, x: usize, y: usize, n: i32): void {
  for (; n > 0; n -= lanes<T>()) {
    storeUpTo<T>(to, mul<T>(loadUpTo<T>(x, n), loadUpTo<T>(y, n)), n);
    to += sizeof<T>();
    x += sizeof<T>();
    y += sizeof<T>();
  }
}

/** to = 1 − x. */
@inline
function complement<T>(to: usize, x: usize, n: i32): void {
  for (; n > 0; n -= lanes<T>()) {
    storeUpTo<T>(to, sub<T>(k<T>(1), loadUpTo<T>(x, n)), n);
    to += sizeof<T>();
    x += sizeof<T>();
  }
}

/** state = (1 − z)⊙c + z⊙state. */
@inline
function blend<T>(state: usize, z: usize, c: usize, n: i32): void {
  for (; n > 0; n -= lanes<T>()) {
    const gate = loadUpTo<T>(z, n);
    const kept = mul<T>(gate, loadUpTo<T>(state, n));
    storeUpTo<T>(state, add<T>(mul<T>(sub<T>(k<T>(1), gate), loadUpTo<T>(c, n)), kept), n);
    state += sizeof<T>();
    z += sizeof<T>();
    c += sizeof<T>();
  }
}
