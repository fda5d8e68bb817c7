import type { Preset, ValueMetadata } from "../../src/entries/index.ts";
import { ask } from "../client.ts";
import { select, slider } from "../controls.ts";
import { el } from "../dom.ts";
import { choice, integer, type Link, writeLink } from "../link.ts";
import type { Choice, Feed, Opened } from "./network.ts";
import { results } from "./results.ts";
import { CLASSES, fetchPictures, PICTURES, pictureOf, prepared, SAMPLES } from "./samples.ts";

const WAYS = ["compact", "fast", "faithful", "custom"] as const;
const BITS = [2, 8] as const;
const TERMS = [1, 4] as const;

interface State {
  sample: string;
  way: (typeof WAYS)[number];
  bits: number;
  weightTerms: number;
  activationTerms: number;
  picture: number;
  /** Shapes of a network of the user's, as text by input. */
  shapes: Record<string, string>;
}

/** A network, from the page or the user's own: how small, how exact, how fast it is as a series. */
export async function runView(panel: HTMLElement, link: Link): Promise<void> {
  const state: State = {
    sample: choice(link, "sample", Object.keys(SAMPLES)),
    way: choice(link, "preset", WAYS),
    bits: integer(link, "bits", BITS, 4),
    weightTerms: integer(link, "weights", TERMS, 2),
    activationTerms: integer(link, "activations", TERMS, 2),
    picture: integer(link, "picture", [0, PICTURES - 1], 0),
    shapes: {},
  };
  const pictures = await fetchPictures();
  let opened: Opened | undefined;
  let own: string | undefined;
  /** Counts what the visitor asked for: an answer to anything but the last of it is no longer shown. */
  let asked = 0;
  const controls = el("div", { class: "controls" });
  const about = el("p", { class: "note", "aria-live": "polite" });
  const shown = el("div", { "aria-live": "polite" });

  const update = async (): Promise<void> => {
    if (own === undefined) {
      const { sample, way, bits, weightTerms, activationTerms, picture } = state;
      const custom: Record<string, number> =
        way === "custom" ? { bits, weights: weightTerms, activations: activationTerms } : {};
      writeLink({ view: "run", sample, preset: way, ...texts(custom), picture: String(picture) });
    }
    draw();
    if (opened === undefined) return;
    const mine = ++asked;
    const { nodes, parameters, inputs } = opened;
    about.textContent = "Quantizing, and running with each number of terms …";
    try {
      const answer = await ask("quantized", planOf(state), feedsOf(inputs));
      if (mine !== asked) return;
      const labels = own === undefined ? CLASSES : undefined;
      const name = own ?? state.sample;
      shown.replaceChildren(...results(answer, { name, labels, truth: labels?.[pictures.labels[state.picture]!] }));
      about.textContent =
        own === undefined
          ? `${nodes} nodes, ${parameters} numbers. The picture is test picture ${state.picture} of Fashion-MNIST; times are of this page, now, on one thread.`
          : `${nodes} nodes, ${parameters} numbers. Fed noise of a fixed seed: sizes and times are real, errors on your own inputs may differ ("bitbasis compare" measures them).`;
    } catch (error) {
      if (mine === asked) fail(error);
    }
  };
  const fail = (error: unknown): void => {
    about.textContent = "";
    shown.replaceChildren(el("p", { class: "error", role: "alert" }, (error as Error).message));
  };
  const load = async (buffer: Promise<ArrayBuffer>, name: string | undefined): Promise<void> => {
    const mine = ++asked;
    about.textContent = "Opening …";
    shown.replaceChildren();
    own = name;
    opened = undefined;
    try {
      const answer = await ask("open", new Uint8Array(await buffer));
      if (mine !== asked) return;
      opened = answer;
      state.shapes = Object.fromEntries(opened.inputs.map((input) => [input.name, guess(input)]));
    } catch (error) {
      if (mine !== asked) return;
      draw();
      fail(error);
      return;
    }
    await update();
  };
  const loadSample = (): Promise<void> =>
    load(
      fetch(`samples/${SAMPLES[state.sample]!.file}`).then((response) => response.arrayBuffer()),
      undefined,
    );
  const feedsOf = (inputs: readonly ValueMetadata[]): Record<string, Feed> => {
    if (own === undefined) {
      return { [inputs[0]!.name]: { shape: [1, 1, 28, 28], data: prepared(pictureOf(pictures, state.picture)) } };
    }
    return Object.fromEntries(inputs.map(({ name }) => [name, { shape: parse(name, state.shapes[name]!) }]));
  };
  const set =
    <K extends keyof State>(name: K, change: () => Promise<void> = update) =>
    (value: State[K]): void => {
      state[name] = value;
      void change();
    };
  const draw = (): void => {
    const samples = Object.entries(SAMPLES).map(([key, { title }]) => [key, title] as const);
    const custom = state.way === "custom";
    controls.replaceChildren(
      select(
        "Network",
        own === undefined ? samples : [["", own], ...samples],
        own === undefined ? state.sample : "",
        (value) => {
          state.sample = value === "" ? state.sample : value;
          if (value !== "") void loadSample();
        },
      ),
      select("As", WAYS, state.way, (value) => set("way")(value as State["way"])),
      ...(custom
        ? [
            slider("Bits of a term", BITS, state.bits, set("bits")),
            slider("Weight terms", TERMS, state.weightTerms, set("weightTerms")),
            slider("Activation terms", TERMS, state.activationTerms, set("activationTerms")),
          ]
        : []),
      ...(own === undefined
        ? [
            slider("Picture", [0, PICTURES - 1], state.picture, set("picture")),
            thumbnail(pictureOf(pictures, state.picture)),
          ]
        : (opened?.inputs ?? []).map(({ name, type }) => shapeField(name, type, state.shapes, update))),
      dropZone((file) => void load(file.arrayBuffer(), file.name)),
    );
  };
  draw();
  panel.replaceChildren(controls, about, shown);
  await loadSample();
}

function planOf({ way, bits, weightTerms, activationTerms }: State): Choice {
  if (way !== "custom") return { preset: way satisfies Preset };
  const terms = {
    weightTerms: Math.min(weightTerms, Math.floor(16 / bits)),
    activationTerms: Math.min(activationTerms, Math.floor(16 / bits)),
  };
  return { plan: { version: 1, default: { bits, ...terms } } };
}

/** A shape to start from: one sample, pictures of 224², sequences of 16. */
function guess({ shape }: ValueMetadata): string {
  return shape
    .map((extent, axis) =>
      typeof extent === "number" ? extent : axis === 0 ? 1 : shape.length === 4 && axis >= 2 ? 224 : 16,
    )
    .join(",");
}

function parse(name: string, text: string): number[] {
  const shape = text.trim() === "" ? [] : text.split(",").map(Number);
  if (shape.some((extent) => !Number.isInteger(extent) || extent < 0))
    throw new Error(`shape of "${name}" expected whole numbers with commas, got "${text}"`);
  return shape;
}

function shapeField(
  name: string,
  type: string,
  shapes: Record<string, string>,
  changed: () => Promise<void>,
): HTMLElement {
  const input = el("input", {
    ...{ value: shapes[name] ?? "", size: 14, "aria-label": `Shape of ${name}` },
    onchange: (event) => {
      shapes[name] = (event.target as HTMLInputElement).value;
      void changed();
    },
  });
  return el("label", {}, `${name} (${type})`, input);
}

function dropZone(take: (file: File) => void): HTMLElement {
  const picker = el("input", {
    ...{ type: "file", accept: ".onnx", "aria-label": "Your own ONNX file" },
    onchange: (event) => {
      const file = (event.target as HTMLInputElement).files?.[0];
      if (file) take(file);
    },
  });
  const zone = el("div", { class: "drop" }, "Drop an .onnx file, or ", picker);
  for (const name of ["dragover", "dragleave", "drop"] as const) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.classList.toggle("over", name === "dragover");
      const file = name === "drop" ? event.dataTransfer?.files[0] : undefined;
      if (file) take(file);
    });
  }
  return zone;
}

function thumbnail(pixels: Uint8Array): HTMLCanvasElement {
  const canvas = el("canvas", {
    class: "picture",
    width: 28,
    height: 28,
    role: "img",
    "aria-label": "The picture that the network sees",
  });
  const context = canvas.getContext("2d")!;
  const image = context.createImageData(28, 28);
  pixels.forEach((value, i) => {
    image.data.set([value, value, value, 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
  return canvas;
}

function texts(values: Readonly<Record<string, number>>): Link {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, String(value)]));
}
