import { UNCOMMON as RECORDS } from "../../graph/operators/uncommon.ts";
import { ALONG_AXIS } from "./along-axis.ts";
import { BLOCKS } from "./blocks.ts";
import type { Chunk } from "./chunk.ts";
import { lowerChannelsFirst, lowerConvTranspose } from "./conv-transpose.ts";
import { DETERMINANT } from "./determinant.ts";
import { FOLD } from "./fold.ts";
import { lowered } from "./index.ts";
import { INTEGER } from "./integer.ts";
import { PAD } from "./pad.ts";
import { RECURRENT } from "./recurrent.ts";
import { RESIZE } from "./resize.ts";
import { ROTARY } from "./rotary.ts";
import { SAMPLE } from "./sample.ts";
import { SCATTER } from "./scatter.ts";

/** Operators with kernels that few networks have. */
export const UNCOMMON: Chunk = {
  records: RECORDS,
  lowerings: lowered<typeof RECORDS>()({
    "bitbasis/ConvTranspose": lowerConvTranspose,
    "/ConvTranspose": lowerChannelsFirst,
    ...INTEGER,
    ...BLOCKS,
    ...SAMPLE,
    ...SCATTER,
    ...ALONG_AXIS,
    ...FOLD,
    ...DETERMINANT,
    ...RECURRENT,
    ...PAD,
    ...RESIZE,
    ...ROTARY,
  }),
};
