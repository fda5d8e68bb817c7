"""Runs a program image in wasmtime (pip install wasmtime): run.py CORE.wasm IMAGE RUNS < inputs > outputs. Inputs and outputs are raw elements, one value
after the other. The numbers of words are those of bitbasis.h."""

import struct
import sys
import time

import wasmtime

core, image_file, runs = sys.argv[1], sys.argv[2], int(sys.argv[3])
store = wasmtime.Store()
exports = wasmtime.Instance(store, wasmtime.Module.from_file(store.engine, core), []).exports(store)
memory = exports["memory"]


def words(at, count):
    return struct.unpack(f"<{count}I", memory.read(store, at, at + 4 * count))


def check(status):
    if status != 0:
        sys.exit(f"status {status}: bitbasis.h says what is wrong and what to do")


def values(records, count):
    """Address and bytes of every input or output: offsets in an image are from the start of its block."""
    found = (words(block + records + 24 * i, 6) for i in range(count))
    return [(block + data, size) for _, _, _, _, data, size in found]


image = open(image_file, "rb").read()
if len(image) < 64:
    sys.exit("the image is cut short")
image_bytes, arena_bytes = struct.unpack_from("<2I", image, 12)
block_bytes = max(image_bytes + arena_bytes, len(image))
block = exports["reserve"](store, block_bytes)
if block == 0:
    sys.exit(f"there is no memory for {block_bytes} bytes")
memory.write(store, image, block)
check(exports["bind"](store, block, len(image), block_bytes))

header = words(block, 16)
feeds = sys.stdin.buffer.read()
seconds = 0.0
for _ in range(runs):
    at = 0
    # Inputs share the arena: they are written before every run.
    for address, size in values(header[9], header[10]):
        memory.write(store, feeds[at : at + size], address)
        at += size
    start = time.perf_counter()
    check(exports["runImage"](store, block))
    seconds += time.perf_counter() - start
for address, size in values(header[11], header[12]):
    sys.stdout.buffer.write(memory.read(store, address, address + size))
print(f"{1e3 * seconds / runs:.3f} ms per run", file=sys.stderr)
