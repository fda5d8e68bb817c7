// Writes build/bitbasis.h from the ABI in src/core/abi/, which the core compiles too: the two cannot disagree.
import { readFileSync, writeFileSync } from "node:fs";
import ts from "typescript";

const root = new URL("../", import.meta.url);

/** The enums of a file of the ABI; they are plain, and one module each. */
async function abi(name) {
  const source = readFileSync(new URL(`src/core/abi/${name}.ts`, root), "utf8");
  const { outputText } = ts.transpileModule(source, { compilerOptions: { target: "ES2022", module: "ESNext" } });
  return import(`data:text/javascript,${encodeURIComponent(outputText)}`);
}

/** What to do about each status, as bitbasis_status says it. */
const TEXTS = {
  Ok: "ok",
  BadProgram: "the program is not one of this version: export it again",
  BadOpcode: "the program has a step that this build does not know: export it again",
  BadIndex: "an index in the inputs lies outside of its axis: the outputs are not to be used",
  NoImage: "these bytes are no program image: make one with bitbasis export --to program",
  OtherVersion: "the image is for another version of the core: export it again, or use the core it was made with",
  CutShort: "the image is cut short: read all of its file",
  Damaged: "the image is damaged: copy it again",
  Misaligned: "the block is not aligned: it expected a multiple of 64",
  SmallBlock: "the block is too small: it expected the image's size and the arena's",
  AlreadyBound: "the image has been bound before: read it again",
  NotBound: "the image is not bound: bitbasis_init comes first, and must succeed",
  NoSuchValue: "there is no input or output of this index",
};

const capitals = (name) => name.replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, "_").toUpperCase();
const members = (values) => Object.entries(values).filter(([name]) => Number.isNaN(Number(name)));
const enumeration = (prefix, entries) =>
  `enum {\n${entries.map(([name, value]) => `  BITBASIS_${prefix}${capitals(name)} = ${value},\n`).join("")}};\n`;
const words = (prefix, layout) =>
  enumeration(
    `${prefix}_`,
    members(layout).map(([name, value]) => [name === "length" ? "words" : name, value]),
  );

export async function makeHeader() {
  const { Image, ImageHeader, ImageStatus, ImageValue } = await abi("image");
  const { Status } = await abi("program");
  const { ElementCode } = await abi("element");
  const statuses = [...members(Status), ...members(ImageStatus)];
  statuses.push(["NoSuchValue", Math.max(...statuses.map(([, value]) => value)) + 1]);
  const texts = statuses.map(([name, value]) => `  [${value}] = ${JSON.stringify(TEXTS[name])}`);
  const lines = `// Made by scripts/make-header.mjs from src/core/abi/. How to use it: docs/without-javascript.md.
#ifndef BITBASIS_H
#define BITBASIS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A program image at the start of a block: u32 words, little-endian; offsets are bytes from the start.
#define BITBASIS_MAGIC ${Image.Magic}u
#define BITBASIS_VERSION ${Image.Version}u
#define BITBASIS_ALIGNMENT ${Image.Alignment}u
${words("HEADER", ImageHeader)}
// Records of inputs and outputs.
${words("VALUE", ImageValue)}
// Types of elements, as in ONNX.
${enumeration("TYPE_", members(ElementCode))}
// What functions return.
${enumeration("", statuses)}
#define BITBASIS_STATUS_TEXTS \\
${texts.join(", \\\n")}

// An input or output: dense elements, row-major, in the caller's block. Inputs share the arena with everything else: write all of them before every run.
typedef struct {
  const char* name;
  uint32_t type, rank;
  const uint32_t* dims;
  void* data;
  size_t bytes;
} bitbasis_value;

// Bytes of the block that an image needs, of which the first BITBASIS_HEADER_WORDS words are enough; 0: it is none.
size_t bitbasis_block_bytes(const void* image, size_t image_bytes);
// Checks the image at the start of the block, which is aligned to BITBASIS_ALIGNMENT, and prepares it, once; the block is the caller's all the time.
int bitbasis_init(void* block, size_t block_bytes, size_t image_bytes);
// The input or output of an index from 0; BITBASIS_NO_SUCH_VALUE behind the last.
int bitbasis_input(void* block, uint32_t index, bitbasis_value* value);
int bitbasis_output(void* block, uint32_t index, bitbasis_value* value);
// Runs the program once. Blocks are independent: each may run on a thread of its own.
int bitbasis_run(void* block);
// A sentence about a status: what is wrong and what to do.
const char* bitbasis_status(int status);

#ifdef __cplusplus
}
#endif
#endif
`;
  writeFileSync(new URL("build/bitbasis.h", root), lines);
}
