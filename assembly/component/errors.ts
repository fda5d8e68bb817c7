// `wasi:nn/errors`: a code and a sentence.
import { failed, list, release } from "./memory";

/** In the order of the interface. */
export enum Code {
  InvalidArgument = 0,
  InvalidEncoding,
  Timeout,
  RuntimeError,
  UnsupportedOperation,
  TooLarge,
  NotFound,
}

@unmanaged
class Failure {
  code: i32 = 0;
  text: usize = 0;
  bytes: usize = 0;
}

@external("[export]wasi:nn/errors@0.2.0-rc-2024-06-25", "[resource-new]error")
declare function newHandle(failure: usize): i32;

export function errorNew(code: i32, text: usize, bytes: usize): i32 {
  return newHandle(made(code, text, bytes));
}

export function errorCode(at: usize): i32 {
  return changetype<Failure>(at).code;
}

export function errorData(at: usize): usize {
  const failure = changetype<Failure>(at);
  return list(failure.text, failure.bytes);
}

export function errorDrop(at: usize): void {
  const failure = changetype<Failure>(at);
  release(failure.text, failure.bytes);
  heap.free(at);
}

function made(code: i32, text: usize, bytes: usize): usize {
  const at = heap.alloc(offsetof<Failure>());
  const failure = changetype<Failure>(at);
  failure.code = code;
  failure.text = text;
  failure.bytes = bytes;
  return at;
}

/** The answer of a call that has failed; the sentence may name something: UTF-8 of `nameBytes` bytes at `name`, between `before` and `after`. */
export function fail(code: Code, before: string, name: usize = 0, nameBytes: usize = 0, after: string = ""): usize {
  const text = heap.alloc(3 * (before.length + after.length) + nameBytes);
  let end = text + String.UTF8.encodeUnsafe(changetype<usize>(before), before.length, text);
  memory.copy(end, name, nameBytes);
  end += nameBytes;
  end += String.UTF8.encodeUnsafe(changetype<usize>(after), after.length, end);
  return failed(newHandle(made(code, text, end - text)));
}
