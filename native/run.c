// Runs a program image: run IMAGE RUNS < inputs > outputs. Inputs and outputs are raw elements, one value after the other.
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bitbasis.h"

static int fail(const char* what) {
  fprintf(stderr, "%s\n", what);
  return 1;
}

int main(int argc, char** argv) {
  FILE* file = argc == 3 ? fopen(argv[1], "rb") : NULL;
  if (!file) return fail("usage: run IMAGE RUNS < inputs > outputs");
  fseek(file, 0, SEEK_END);
  const size_t image_bytes = (size_t)ftell(file);
  rewind(file);
  char header[4 * BITBASIS_HEADER_WORDS] = {0};
  const size_t block_bytes = bitbasis_block_bytes(header, fread(header, 1, sizeof header, file));
  const size_t room = block_bytes > image_bytes ? block_bytes : image_bytes;
  rewind(file);
  void* block = aligned_alloc(BITBASIS_ALIGNMENT, (room + BITBASIS_ALIGNMENT - 1) / BITBASIS_ALIGNMENT * BITBASIS_ALIGNMENT);
  if (!block || fread(block, 1, image_bytes, file) != image_bytes) return fail("the image cannot be read");
  fclose(file);

  int status = bitbasis_init(block, room, image_bytes);
  bitbasis_value value;
  double seconds = 0;
  const int runs = atoi(argv[2]);
  for (int run = 0; run < runs && status == BITBASIS_OK; run++) {
    // Inputs share the arena: they are written before every run.
    rewind(stdin);
    for (uint32_t i = 0; bitbasis_input(block, i, &value) == BITBASIS_OK; i++)
      if (fread(value.data, 1, value.bytes, stdin) != value.bytes) return fail("an input is cut short");
    struct timespec start, end;
    timespec_get(&start, TIME_UTC);
    status = bitbasis_run(block);
    timespec_get(&end, TIME_UTC);
    seconds += (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec);
  }
  if (status != BITBASIS_OK) return fail(bitbasis_status(status));
  for (uint32_t i = 0; bitbasis_output(block, i, &value) == BITBASIS_OK; i++) fwrite(value.data, 1, value.bytes, stdout);
  fprintf(stderr, "%.3f ms per run\n", 1e3 * seconds / runs);
  free(block);
  return 0;
}
