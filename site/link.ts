/** The state of a view as it stands in the address: text by name. */
export type Link = Readonly<Record<string, string>>;

/** What the address says. */
export function readLink(): Link {
  return Object.fromEntries(new URLSearchParams(location.search));
}

/** Writes the state into the address, so that it can be shared; no entry of the history per slider step. */
export function writeLink(link: Link): void {
  history.replaceState(null, "", `?${new URLSearchParams(link)}`);
}

/** A whole number of the link inside its range, or the default. */
export function integer(link: Link, name: string, [least, most]: readonly [number, number], otherwise: number): number {
  const value = Number(link[name] ?? Number.NaN);
  return Number.isInteger(value) && value >= least && value <= most ? value : otherwise;
}

/** One of the words, or the first. */
export function choice<T extends string>(link: Link, name: string, words: readonly T[]): T {
  return words.find((word) => word === link[name]) ?? words[0]!;
}
