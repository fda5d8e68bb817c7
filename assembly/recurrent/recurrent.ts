// The loop over time of RNN, GRU and LSTM; see RecurrentStep. Threads share the batch: every row goes through all of the time on one thread, so
// that nobody waits between two points in time. More parts than rows are slices of one thread's work: they share the time.
import { RecurrentCell, RecurrentStep } from "../../src/core/abi/recurrent";
import { Status } from "../../src/core/abi/program";
import { address, argument, share, slotOf } from "../step";
import { badIndex } from "../tensor/gather";
import { gruCandidate, gruGates, lstm, rnn } from "./cells";
import { copyProducts, product } from "./products";

export function recurrent(program: usize, step: usize, thread: i32, threads: i32): Status {
  const batch = argument(step, RecurrentStep.batch);
  const time = argument(step, RecurrentStep.time);
  const timely = batch < threads;
  const first = timely ? 0 : share(batch, thread, threads);
  const end = timely ? batch : share(batch, thread + 1, threads);
  if (first >= end) return Status.Ok;
  const until = timely ? share(time, thread + 1, threads) : time;
  const two = argument(step, RecurrentStep.products) == 2;
  const copies = copyProducts(step, first, end - first, slotOf(thread, threads, argument(step, RecurrentStep.slots)));
  for (let b = first; b < end; b++) {
    const length = lengthOf(step, b);
    if (<u32>length > <u32>time) return badIndex(program, length, 0, time + 1);
  }
  for (let t = timely ? share(time, thread, threads) : 0; t < until; t++) {
    product(step, copies, 0);
    for (let b = first; b < end; b++) {
      const length = lengthOf(step, b);
      if (t >= length) {
        if (two) memory.fill(rowOf(step, RecurrentStep.reset, b), 0, widthOf(step));
        continue;
      }
      const at = argument(step, RecurrentStep.reverse) ? length - 1 - t : t;
      gates(step, b, at);
    }
    if (two) product(step, copies, 1);
    for (let b = first; b < end; b++) {
      const length = lengthOf(step, b);
      const live = t < length;
      const at = live && argument(step, RecurrentStep.reverse) ? length - 1 - t : t;
      if (live && argument(step, RecurrentStep.kind) == RecurrentCell.GRU) gruCandidate(step, b, at);
      const output = address(step, RecurrentStep.output);
      if (output == 0) continue;
      const to = output + <usize>(at * batch + b) * widthOf(step);
      if (live) memory.copy(to, rowOf(step, RecurrentStep.state, b), widthOf(step));
      else memory.fill(to, 0, widthOf(step));
    }
  }
  return Status.Ok;
}

@inline
function gates(step: usize, b: i32, at: i32): void {
  const kind = argument(step, RecurrentStep.kind);
  if (kind == RecurrentCell.LSTM) lstm(step, b, at);
  else if (kind == RecurrentCell.GRU) gruGates(step, b, at);
  else rnn(step, b, at);
}

/** Bytes of a row of the state. */
@inline
function widthOf(step: usize): usize {
  return <usize>argument(step, RecurrentStep.hiddenSize) << 2;
}

@inline
function rowOf(step: usize, word: i32, b: i32): usize {
  return address(step, word) + <usize>b * widthOf(step);
}

function lengthOf(step: usize, b: i32): i32 {
  const lengths = address(step, RecurrentStep.lengths);
  return lengths == 0 ? argument(step, RecurrentStep.time) : load<i32>(lengths + (<usize>b << 2));
}
