/**
 * Fonts from npm packages under names of our own, so that a picture never depends on what the machine has installed. DejaVu is under
 * the Bitstream Vera licence, the others under the SIL Open Font License 1.1.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { GlobalFonts } from "@napi-rs/canvas";

/** Name → package and file. */
const FILES = {
  Sans: ["dejavu-fonts-ttf", "ttf/DejaVuSans.ttf"],
  "Sans Bold": ["dejavu-fonts-ttf", "ttf/DejaVuSans-Bold.ttf"],
  "Sans Condensed": ["dejavu-fonts-ttf", "ttf/DejaVuSansCondensed.ttf"],
  "Sans Oblique": ["dejavu-fonts-ttf", "ttf/DejaVuSans-Oblique.ttf"],
  Serif: ["dejavu-fonts-ttf", "ttf/DejaVuSerif.ttf"],
  "Serif Bold": ["dejavu-fonts-ttf", "ttf/DejaVuSerif-Bold.ttf"],
  "Serif Italic": ["dejavu-fonts-ttf", "ttf/DejaVuSerif-Italic.ttf"],
  Mono: ["dejavu-fonts-ttf", "ttf/DejaVuSansMono.ttf"],
  "Book Serif": ["@expo-google-fonts/pt-serif", "400Regular/PTSerif_400Regular.ttf"],
  "Book Italic": ["@expo-google-fonts/lora", "400Regular_Italic/Lora_400Regular_Italic.ttf"],
  "Book Bold": ["@expo-google-fonts/lora", "700Bold/Lora_700Bold.ttf"],
  Typewriter: ["@expo-google-fonts/courier-prime", "400Regular/CourierPrime_400Regular.ttf"],
  Poster: ["@expo-google-fonts/oswald", "500Medium/Oswald_500Medium.ttf"],
  Hand: ["@expo-google-fonts/patrick-hand", "400Regular/PatrickHand_400Regular.ttf"],
  Chinese: ["@expo-google-fonts/zcool-xiaowei", "400Regular/ZCOOLXiaoWei_400Regular.ttf"],
} as const;

export type FontName = keyof typeof FILES;

/** All fonts with Latin letters only. */
export const LATIN_FONTS: readonly FontName[] = (Object.keys(FILES) as FontName[]).filter((name) => name !== "Chinese");

const require = createRequire(import.meta.url);
const registered = new Set<FontName>();

/** A canvas font string, `24px "bitbasis Sans"`; registers the font on first use. */
export function fontOf(name: FontName, pixels: number): string {
  const family = `bitbasis ${name}`;
  if (!registered.has(name)) {
    const [from, file] = FILES[name];
    const path = join(dirname(require.resolve(`${from}/package.json`)), file);
    if (GlobalFonts.registerFromPath(path, family) === null) throw new Error(`the font file ${path} cannot be read`);
    registered.add(name);
  }
  return `${pixels}px "${family}"`;
}
