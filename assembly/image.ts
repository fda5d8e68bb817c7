// Program images (src/core/abi/image.ts) for hosts without JavaScript: check one, bind it to its place, run it.
import { Image, ImageDigest, ImageHeader, ImageStatus } from "../src/core/abi/image";
import { Program, Status } from "../src/core/abi/program";
import { address, argument } from "./step";
import { run } from "./vm";

// @ts-ignore: decorator
@inline
const HEADER_BYTES: usize = ImageHeader.length << 2;

/** Room for `bytes` bytes at the end of the memory, 64-aligned, which no later call gives again; 0 when it cannot grow. */
export function reserve(bytes: usize): usize {
  const before = memory.grow(<i32>((<u64>bytes + 0xffff) >> 16));
  return before < 0 ? 0 : <usize>before << 16;
}

/**
 * Checks the image of which `imageBytes` bytes lie at `image`, at the start of a block of `blockBytes` bytes, and makes its offsets addresses.
 * Once, before the first run.
 */
export function bind(image: usize, imageBytes: usize, blockBytes: usize): i32 {
  if (image % Image.Alignment != 0) return ImageStatus.Misaligned;
  const room = (<u64>memory.size() << 16) - min<u64>(image, <u64>memory.size() << 16);
  if (<u64>blockBytes > room || imageBytes > blockBytes) return ImageStatus.SmallBlock;
  if (imageBytes < HEADER_BYTES) return ImageStatus.CutShort;
  if (argument(image, ImageHeader.magic) != Image.Magic) return ImageStatus.NoImage;
  if (argument(image, ImageHeader.version) != Image.Version) return ImageStatus.OtherVersion;
  if (argument(image, ImageHeader.programVersion) != Program.Version) return ImageStatus.OtherVersion;
  if (argument(image, ImageHeader.bound) != 0) return ImageStatus.AlreadyBound;
  const bytes = address(image, ImageHeader.imageBytes);
  if (bytes > imageBytes) return ImageStatus.CutShort;
  if (<u64>bytes + <u64>address(image, ImageHeader.arenaBytes) > <u64>blockBytes) return ImageStatus.SmallBlock;
  if (bytes < HEADER_BYTES || digest(image, bytes) != argument(image, ImageHeader.digest)) {
    return ImageStatus.Damaged;
  }
  const relocations = image + address(image, ImageHeader.relocations);
  const count = argument(image, ImageHeader.relocationCount);
  for (let i = 0; i < count; i++) {
    const at = address(relocations, i);
    if (at > bytes - 4) return ImageStatus.Damaged;
    const word = image + at;
    store<u32>(word, load<u32>(word) + <u32>image);
  }
  store<u32>(image + (ImageHeader.bound << 2), 1);
  return Status.Ok;
}

/** Runs the program of a bound image once: its inputs have been written, its outputs can be read afterwards. */
export function runImage(image: usize): i32 {
  if (argument(image, ImageHeader.magic) != Image.Magic) return ImageStatus.NoImage;
  if (argument(image, ImageHeader.bound) != 1) return ImageStatus.NotBound;
  const program = image + address(image, ImageHeader.program);
  return run(program, 0, argument(image, ImageHeader.steps), 0, 1);
}

function digest(image: usize, bytes: usize): i32 {
  let state: u32 = ImageDigest.Start;
  for (let i = 0; i < <i32>(bytes >> 2); i++) {
    if (i == ImageHeader.digest || i == ImageHeader.bound) continue;
    state = (state ^ <u32>argument(image, i)) * <u32>ImageDigest.Prime;
  }
  return <i32>state;
}
