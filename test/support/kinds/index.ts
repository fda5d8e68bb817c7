// Networks of kinds that the presets were not made on, with weights from a seed.
import { AUDIO } from "./audio.ts";
import type { Kind } from "./kind.ts";
import { PICTURES } from "./pictures.ts";
import { TEXTS } from "./texts.ts";

export { feedsOf, type Kind } from "./kind.ts";

export const KINDS: readonly Kind[] = [...AUDIO, ...PICTURES, ...TEXTS];
