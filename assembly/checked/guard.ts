// What the checked build of the core asks before it touches memory: is the range inside a region that the running step names, and has
// every byte that is read been written? A module of its own with a memory of its own, so that no fault of the core can reach what it
// knows: regions {from, to, writable} from byte 16 on, and from byte SHADOW on one byte per byte of the core, not 0 where it is written.
// It keeps its state in globals, which the core must not.

const REGIONS: usize = 16;
const REGION: usize = 12;
/** A step names a dozen buffers at most. */
const MOST: i32 = 64;
/** Also in test/support/checked/core.ts, which checks that both agree. */
export const SHADOW: i32 = 65536;

let count: i32 = 0;
/** The last region that held an access: neighbours in time are neighbours in space. */
let recent: usize = REGIONS;

/** 0: nothing wrong. 1: a read, 2: a write outside of all regions that allow it. 3: a read of bytes that nobody wrote. */
export let fault: i32 = 0;
export let faultAt: u32 = 0;
export let faultBytes: u32 = 0;

/** Forgets all regions. */
export function clear(): void {
  count = 0;
  recent = REGIONS;
  fault = 0;
}

/** Allows from…to − 1. */
export function allow(from: usize, to: usize, writable: i32): void {
  if (count == MOST) unreachable();
  const at = REGIONS + <usize>count * REGION;
  store<usize>(at, from);
  store<usize>(at, to, 4);
  store<i32>(at, writable, 8);
  count++;
}

@inline
function holds(region: usize, from: u64, to: u64, writing: bool): bool {
  return from >= <u64>load<usize>(region) && to <= <u64>load<usize>(region, 4) && (!writing || load<i32>(region, 8) != 0);
}

function isAllowed(from: u64, to: u64, writing: bool): bool {
  if (count > 0 && holds(recent, from, to, writing)) return true;
  for (let i = 0; i < count; i++) {
    const region = REGIONS + <usize>i * REGION;
    if (holds(region, from, to, writing)) {
      recent = region;
      return true;
    }
  }
  return false;
}

function fail(kind: i32, from: u64, bytes: usize): void {
  fault = kind;
  faultAt = <u32>from;
  faultBytes = <u32>bytes;
  unreachable();
}

export function read(at: usize, offset: usize, bytes: usize): usize {
  const from = <u64>at + <u64>offset;
  if (bytes == 0) return at;
  if (!isAllowed(from, from + <u64>bytes, false)) fail(1, from, bytes);
  const shadow = <usize>SHADOW + <usize>from;
  let whole = true;
  if (bytes == 4) whole = load<u32>(shadow) == 0x01010101;
  else if (bytes == 2) whole = load<u16>(shadow) == 0x0101;
  else {
    for (let i: usize = 0; i < bytes; i++) whole = whole && load<u8>(shadow + i) != 0;
  }
  if (!whole) fail(3, from, bytes);
  return at;
}

export function write(at: usize, offset: usize, bytes: usize): usize {
  const from = <u64>at + <u64>offset;
  if (bytes == 0) return at;
  if (!isAllowed(from, from + <u64>bytes, true)) fail(2, from, bytes);
  const shadow = <usize>SHADOW + <usize>from;
  if (bytes == 4) store<u32>(shadow, 0x01010101);
  else if (bytes == 2) store<u16>(shadow, 0x0101);
  else memory.fill(shadow, 1, bytes);
  return at;
}
