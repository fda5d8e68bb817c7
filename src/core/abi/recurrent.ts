/**
 * Recurrent: one direction of an RNN, GRU or LSTM over a whole sequence, all f32. At each point in time the state is multiplied by the recurrent
 * weights with the steps that follow the named words, and a cell makes the next state of it. H is `hiddenSize`, G the number of gates.
 *
 * After the named words follow `products` groups of words, each the QuantizeStep of the state (only when `quantized`)
 * and the ConvStep of the product, both over all `batch` rows and one matrix. A thread copies them and cuts them down to its own rows.
 *
 * RNN  (G = 1): h' = f(x + h·R)
 * GRU  (G = 3, gates z, r, h): z, r = f(x + h·R); n = g(x + r⊙(h·R + bias)), or with two products n = g(x + (r⊙h)·R'); h' = (1 − z)⊙n + z⊙h
 * LSTM (G = 4, gates i, o, f, c): i, f = f(x + h·R + p⊙c); c' = f⊙c + i⊙g(x + h·R); o = f(x + h·R + p⊙c'); h' = o⊙h(c')
 *
 * Every argument of f, g and h is clipped to ±`clip` first. A row whose length is over keeps its state, and its outputs are 0; reversed, a row
 * begins with its last element. A length outside of 0…time makes `run` return `Status.BadIndex`.
 */
export enum RecurrentStep {
  /** f32 [time, batch, G·H]: the inputs times their weights, biases added. */
  input = 1,
  /** f32 [time, batch, H], or 0. */
  output,
  /** f32 [batch, H]: the initial state, and in the end the last one. */
  state,
  /** LSTM: the same for c. */
  cell,
  /** f32 [batch, G·H]: what the first product writes. */
  gates,
  /** GRU with two products: f32 [batch, H], the operand of the second. */
  reset,
  /** GRU: f32 [batch, G·H], of which H are used: the state's part of the candidate, behind z and r or where the second product writes it. */
  candidate,
  /** LSTM: f32 [3, H] for i, o, f, or 0. GRU: f32 [H], the bias inside of the reset, or 0. */
  extra,
  /** i32 [batch], or 0. */
  lengths,
  time,
  batch,
  hiddenSize,
  /** `RecurrentCell`. */
  kind,
  reverse,
  /** LSTM: f = 1 − i. */
  coupled,
  /** f32 bits; +∞ when there is none. */
  clip,
  /** `UnaryFunction` with the f32 bits of its alpha and beta. */
  f,
  fAlpha,
  fBeta,
  g,
  gAlpha,
  gBeta,
  h,
  hAlpha,
  hBeta,
  /** 1: the state is quantized for the products. */
  quantized,
  products,
  /** Room for the copies of the inner steps, `copyBytes` for each of `slots` threads. */
  copies,
  copyBytes,
  slots,
  length,
}

export enum RecurrentCell {
  RNN = 0,
  GRU,
  LSTM,
}
