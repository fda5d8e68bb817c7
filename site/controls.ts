import { el } from "./dom.ts";

/** A slider with its name and value. */
export function slider(
  name: string,
  [least, most]: readonly [number, number],
  value: number,
  changed: (value: number) => void,
): HTMLLabelElement {
  const output = el("output", {}, String(value));
  const input = el("input", {
    ...{ type: "range", min: least, max: most, step: 1, value, "aria-label": name },
    oninput: (event) => {
      output.textContent = (event.target as HTMLInputElement).value;
    },
    onchange: (event) => changed(Number((event.target as HTMLInputElement).value)),
  });
  return el("label", {}, el("span", {}, `${name} `, output), input);
}

/** A list to choose from: words, or words with what is shown for them. */
export function select(
  name: string,
  words: readonly (string | readonly [string, string])[],
  value: string,
  changed: (value: string) => void,
): HTMLLabelElement {
  const options = words.map((word) => {
    const [key, text] = typeof word === "string" ? [word, word] : word;
    return el("option", { value: key, selected: key === value }, text);
  });
  return el(
    "label",
    {},
    name,
    el("select", { onchange: (event) => changed((event.target as HTMLSelectElement).value) }, ...options),
  );
}
