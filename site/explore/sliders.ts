import { slider } from "../controls.ts";
import { el } from "../dom.ts";
import { integer, type Link, writeLink } from "../link.ts";

/** A whole number that the visitor chooses: its name on the page, its range, and where it starts. */
export interface Choice {
  readonly title: string;
  readonly range: readonly [number, number];
  readonly start: number;
}

/**
 * A view of sliders and what follows from them. The address keeps what they say; what cannot be computed is told.
 *
 * @param show - what is to be seen for the values, by the names of `choices`
 */
export async function slidersView<Name extends string>(
  panel: HTMLElement,
  link: Link,
  view: string,
  choices: Readonly<Record<Name, Choice>>,
  introduction: readonly HTMLElement[],
  show: (values: Readonly<Record<Name, number>>) => Promise<readonly HTMLElement[]>,
): Promise<void> {
  const entries = Object.entries(choices) as [Name, Choice][];
  const values = Object.fromEntries(
    entries.map(([name, { range, start }]) => [name, integer(link, name, range, start)]),
  ) as Record<Name, number>;
  const shown = el("section", { "aria-live": "polite" });
  const update = async (): Promise<void> => {
    writeLink({ view, ...Object.fromEntries(entries.map(([name]) => [name, String(values[name])])) });
    try {
      shown.replaceChildren(...(await show(values)));
    } catch (error) {
      shown.replaceChildren(el("p", { class: "error" }, (error as Error).message));
    }
  };
  const controls = entries.map(([name, { title, range }]) =>
    slider(title, range, values[name], (value) => {
      values[name] = value;
      void update();
    }),
  );
  panel.replaceChildren(el("div", { class: "controls" }, ...controls), ...introduction, shown);
  await update();
}
