// The C library: the scalar core as wasm2c writes it (core.h, core.c: see docs/without-javascript.md), running in the caller's block. The block is the
// core's whole memory, so an image in it is used in place, and what lies outside of it can be neither read nor written. Nothing is allocated.
#include "bitbasis.h"

#include <setjmp.h>
#include <string.h>

#include "core.h"

// The few functions of wasm2c's runtime that core.c asks for.
static _Thread_local jmp_buf trapped;

void wasm_rt_trap(wasm_rt_trap_t trap) {
  (void)trap;
  longjmp(trapped, 1);
}
bool wasm_rt_is_initialized(void) { return true; }
uint32_t wasm_rt_register_func_type(uint32_t params, uint32_t results, ...) {
  (void)params, (void)results;
  return 0;
}
void wasm_rt_allocate_memory(wasm_rt_memory_t* memory, uint32_t initial, uint32_t most) {
  (void)initial, (void)most;
  memset(memory, 0, sizeof *memory);
}
uint32_t wasm_rt_grow_memory(wasm_rt_memory_t* memory, uint32_t pages) {
  (void)memory, (void)pages;
  return UINT32_MAX;
}
void wasm_rt_free_memory(wasm_rt_memory_t* memory) { (void)memory; }

/** The core with the block as its memory. */
static Z_bitbasis_instance_t core(void* block, size_t bytes) {
  const uint32_t pages = (uint32_t)((bytes + 0xffff) >> 16);
  return (Z_bitbasis_instance_t){.w2c_memory = {.data = block, .pages = pages, .max_pages = pages, .size = bytes}};
}

static uint32_t word(const void* block, size_t index) {
  uint32_t value;
  memcpy(&value, (const char*)block + 4 * index, 4);
  return value;
}

size_t bitbasis_block_bytes(const void* image, size_t image_bytes) {
  if (image_bytes < 4 * BITBASIS_HEADER_WORDS || word(image, BITBASIS_HEADER_MAGIC) != BITBASIS_MAGIC) return 0;
  const uint64_t bytes = (uint64_t)word(image, BITBASIS_HEADER_IMAGE_BYTES) + word(image, BITBASIS_HEADER_ARENA_BYTES);
  return bytes > UINT32_MAX ? 0 : (size_t)bytes;
}

int bitbasis_init(void* block, size_t block_bytes, size_t image_bytes) {
  if ((uintptr_t)block % BITBASIS_ALIGNMENT != 0) return BITBASIS_MISALIGNED;
  if (block_bytes > UINT32_MAX) block_bytes = UINT32_MAX;
  if (image_bytes > block_bytes) return BITBASIS_SMALL_BLOCK;
  // What the file says of itself does not count, and at address 0 nothing has to be bound twice.
  if (block_bytes >= 4 * BITBASIS_HEADER_WORDS) memset((char*)block + 4 * BITBASIS_HEADER_BOUND, 0, 4);
  Z_bitbasis_instance_t instance = core(block, block_bytes);
  if (setjmp(trapped) != 0) return BITBASIS_DAMAGED;
  return (int)Z_bitbasisZ_bind(&instance, 0, (uint32_t)image_bytes, (uint32_t)block_bytes);
}

int bitbasis_run(void* block) {
  Z_bitbasis_instance_t instance = core(block, bitbasis_block_bytes(block, 4 * BITBASIS_HEADER_WORDS));
  if (setjmp(trapped) != 0) return BITBASIS_DAMAGED;
  return (int)Z_bitbasisZ_runImage(&instance, 0);
}

static int value(void* block, uint32_t index, uint32_t records, uint32_t count, bitbasis_value* out) {
  if (word(block, BITBASIS_HEADER_BOUND) != 1) return BITBASIS_NOT_BOUND;
  if (index >= word(block, count)) return BITBASIS_NO_SUCH_VALUE;
  const char* at = (const char*)block + word(block, records) + 4 * BITBASIS_VALUE_WORDS * (size_t)index;
  out->name = (const char*)block + word(at, BITBASIS_VALUE_NAME);
  out->type = word(at, BITBASIS_VALUE_TYPE);
  out->rank = word(at, BITBASIS_VALUE_RANK);
  out->dims = (const uint32_t*)((const char*)block + word(at, BITBASIS_VALUE_DIMS));
  out->data = (char*)block + word(at, BITBASIS_VALUE_DATA);
  out->bytes = word(at, BITBASIS_VALUE_BYTES);
  return BITBASIS_OK;
}

int bitbasis_input(void* block, uint32_t index, bitbasis_value* out) {
  return value(block, index, BITBASIS_HEADER_INPUTS, BITBASIS_HEADER_INPUT_COUNT, out);
}

int bitbasis_output(void* block, uint32_t index, bitbasis_value* out) {
  return value(block, index, BITBASIS_HEADER_OUTPUTS, BITBASIS_HEADER_OUTPUT_COUNT, out);
}

const char* bitbasis_status(int status) {
  static const char* const TEXTS[] = {BITBASIS_STATUS_TEXTS};
  const int count = (int)(sizeof TEXTS / sizeof *TEXTS);
  return status >= 0 && status < count && TEXTS[status] ? TEXTS[status] : "not a status of bitbasis";
}
