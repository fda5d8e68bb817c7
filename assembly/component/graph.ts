// `wasi:nn/graph` and `wasi:nn/inference`: a graph is a program image (src/core/abi/image.ts) in a block of its own. A run leaves nothing behind that the
// next one reads, so all contexts of a graph share it.
import { Image, ImageHeader, ImageStatus, ImageValue } from "../../src/core/abi/image";
import { bind, runImage } from "../image";
import { address, argument } from "../step";
import { Code, fail } from "./errors";
import { ok, okList, release } from "./memory";
import { dropHandle, partsOf, tensorOfCopies } from "./tensor";

@unmanaged
class Loaded {
  /** What has been allocated, and the aligned block in it. */
  room: usize = 0;
  block: usize = 0;
  /** Of the graph and its contexts: the last gives the block back. */
  owners: i32 = 0;
  /** Room for the list of outputs: name, its bytes, tensor. */
  outputs: usize = 0;
}

/** Bytes of a pair of a name and a tensor. */
const PAIR: usize = 12;

@external("[export]wasi:nn/graph@0.2.0-rc-2024-06-25", "[resource-new]graph")
declare function newGraph(loaded: usize): i32;
@external("[export]wasi:nn/inference@0.2.0-rc-2024-06-25", "[resource-new]graph-execution-context")
declare function newContext(loaded: usize): i32;

enum Encoding {
  Autodetect = 6,
}

export function loadGraph(builder: usize, parts: usize, encoding: i32, target: i32): usize {
  const image = parts == 1 ? load<usize>(builder) : 0;
  const bytes = parts == 1 ? load<usize>(builder, 4) : 0;
  const answer = opened(image, bytes, parts, encoding, target);
  for (let i: usize = 0; i < parts; i++) release(load<usize>(builder + 8 * i), load<usize>(builder + 8 * i, 4));
  release(builder, 8 * parts);
  return answer;
}

function opened(image: usize, bytes: usize, parts: usize, encoding: i32, target: i32): usize {
  if (target != 0) return fail(Code.UnsupportedOperation, "expected the execution target cpu: bitbasis has no other");
  if (encoding != Encoding.Autodetect)
    return fail(Code.InvalidEncoding, "expected the encoding autodetect: a graph is a program image of bitbasis export --to program");
  if (parts != 1) return fail(Code.InvalidArgument, "expected one part, the program image");
  if (bytes < <usize>(ImageHeader.length << 2) || argument(image, ImageHeader.magic) != Image.Magic) return refused(ImageStatus.NoImage);
  const all = <u64>address(image, ImageHeader.imageBytes) + <u64>address(image, ImageHeader.arenaBytes);
  const room = max<u64>(all, bytes);
  if (room > 0x3fff0000) return fail(Code.TooLarge, "expected an image and an arena of at most 1 GiB together");
  const loaded = changetype<Loaded>(heap.alloc(offsetof<Loaded>()));
  loaded.room = heap.alloc(<usize>room + Image.Alignment);
  loaded.block = (loaded.room + Image.Alignment - 1) & ~(<usize>Image.Alignment - 1);
  loaded.owners = 1;
  loaded.outputs = 0;
  memory.copy(loaded.block, image, bytes);
  store<u32>(loaded.block + (ImageHeader.bound << 2), 0);
  const status = bind(loaded.block, bytes, <usize>room);
  if (status != 0) {
    drop(changetype<usize>(loaded));
    return refused(status);
  }
  if (!typed(loaded.block, ImageHeader.inputs, ImageHeader.inputCount) || !typed(loaded.block, ImageHeader.outputs, ImageHeader.outputCount)) {
    drop(changetype<usize>(loaded));
    return fail(Code.UnsupportedOperation, "the image has an input or output of a type that wasi:nn has no name for");
  }
  loaded.outputs = heap.alloc(max<usize>(PAIR, PAIR * argument(loaded.block, ImageHeader.outputCount)));
  return ok(newGraph(changetype<usize>(loaded)));
}

function refused(status: i32): usize {
  if (status == ImageStatus.OtherVersion)
    return fail(Code.InvalidArgument, "the image is for another version of the core: export it again");
  if (status == ImageStatus.CutShort) return fail(Code.InvalidArgument, "the image is cut short: read all of its file");
  if (status == ImageStatus.NoImage)
    return fail(Code.InvalidArgument, "these bytes are no program image: make one with bitbasis export --to program");
  return fail(Code.InvalidArgument, "the image is damaged: copy it again");
}

export function loadByName(name: usize, bytes: usize): usize {
  const answer = fail(Code.NotFound, "expected the bytes of a program image by load, got the name ", name, bytes);
  release(name, bytes);
  return answer;
}

export function initContext(graph: usize): usize {
  changetype<Loaded>(graph).owners++;
  return ok(newContext(graph));
}

/** Of a graph and of a context. */
export function drop(at: usize): void {
  const loaded = changetype<Loaded>(at);
  if (--loaded.owners > 0) return;
  heap.free(loaded.room);
  if (loaded.outputs != 0) heap.free(loaded.outputs);
  heap.free(at);
}

export function compute(context: usize, inputs: usize, count: usize): usize {
  const answer = computed(changetype<Loaded>(context), inputs, count);
  for (let i: usize = 0; i < count; i++) {
    const pair = inputs + PAIR * i;
    release(load<usize>(pair), load<usize>(pair, 4));
    dropHandle(load<i32>(pair, 8));
  }
  release(inputs, PAIR * count);
  return answer;
}

function computed(loaded: Loaded, inputs: usize, count: usize): usize {
  const block = loaded.block;
  const wanted = argument(block, ImageHeader.inputCount);
  for (let i = 0; i < wanted; i++) {
    const record = recordAt(block, ImageHeader.inputs, i);
    const name = block + address(record, ImageValue.name);
    const bytes = textBytes(name);
    const pair = named(inputs, count, name, bytes);
    if (pair == 0) return fail(Code.InvalidArgument, 'expected a tensor for the input "', name, bytes, '", got none');
    const tensor = partsOf(load<i32>(pair, 8));
    if (tensor.type != typeOf(argument(record, ImageValue.type)))
      return fail(Code.InvalidArgument, 'the tensor for the input "', name, bytes, '" has another type than the image was exported for');
    const rank = address(record, ImageValue.rank);
    const dims = block + address(record, ImageValue.dims);
    if (tensor.rank != rank || memory.compare(tensor.dims, dims, 4 * rank) != 0 || tensor.bytes != address(record, ImageValue.bytes))
      return fail(Code.InvalidArgument, 'the tensor for the input "', name, bytes, '" has other dimensions or bytes than the image was exported for');
    memory.copy(block + address(record, ImageValue.data), tensor.data, tensor.bytes);
  }
  if (<usize>wanted != count) return fail(Code.InvalidArgument, "expected a tensor for each input, got more of them");
  if (runImage(block) != 0)
    return fail(Code.RuntimeError, "an index in the inputs lies outside of its axis, or the image is damaged");
  const outputs = argument(block, ImageHeader.outputCount);
  for (let i = 0; i < outputs; i++) {
    const record = recordAt(block, ImageHeader.outputs, i);
    const type = typeOf(argument(record, ImageValue.type));
    const pair = loaded.outputs + PAIR * <usize>i;
    const name = block + address(record, ImageValue.name);
    store<usize>(pair, name);
    store<usize>(pair, textBytes(name), 4);
    const dims = block + address(record, ImageValue.dims);
    const data = block + address(record, ImageValue.data);
    const bytes = address(record, ImageValue.bytes);
    store<i32>(pair, tensorOfCopies(dims, address(record, ImageValue.rank), type, data, bytes), 8);
  }
  return okList(loaded.outputs, outputs);
}

/** Whether the interface has all types of the records. */
function typed(block: usize, records: ImageHeader, count: ImageHeader): bool {
  for (let i = 0; i < argument(block, count); i++) {
    if (typeOf(argument(recordAt(block, records, i), ImageValue.type)) < 0) return false;
  }
  return true;
}

function recordAt(block: usize, records: ImageHeader, index: i32): usize {
  return block + address(block, records) + ((index * ImageValue.length) << 2);
}

function textBytes(at: usize): usize {
  let end = at;
  while (load<u8>(end) != 0) end++;
  return end - at;
}

/** The pair of a name; 0 for none. */
function named(pairs: usize, count: usize, name: usize, bytes: usize): usize {
  for (let i: usize = 0; i < count; i++) {
    const pair = pairs + PAIR * i;
    if (load<usize>(pair, 4) == bytes && memory.compare(load<usize>(pair), name, bytes) == 0) return pair;
  }
  return 0;
}

/** The interface's type of elements for ONNX's; −1 for one that it has not. */
function typeOf(element: i32): i32 {
  switch (element) {
    case 10:
      return 0;
    case 1:
      return 1;
    case 11:
      return 2;
    case 16:
      return 3;
    case 2:
      return 4;
    case 6:
      return 5;
    case 7:
      return 6;
    default:
      return -1;
  }
}
