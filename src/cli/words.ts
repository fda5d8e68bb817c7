import { STDIO } from "./stdio.ts";

/** Stands before a value that the parser would not leave as it is. No argument of a process holds a NUL. */
const MARK = "\0=";

/**
 * The arguments as the parser leaves them alone: it would read "007" as the number 7, "" as 0, and "-" and "-1,1" as options, so that `-o 007` wrote a file
 * "7" and a model called "2024" was the file descriptor of that number.
 */
export function guarded(words: readonly string[]): string[] {
  return words.map((word) => {
    const [, option = "", value = word] = /^(--?[^=]+=)(.*)$/s.exec(word) ?? [];
    if (value === "-") return `${option}${STDIO}`;
    const altered = Number.isFinite(Number(value)) || /^-[\d.]/.test(value);
    return altered ? `${option}${MARK}${value}` : word;
  });
}

/** What the parser has made of guarded arguments, with the words as they were given. */
export function unguarded<T>(parsed: T): T {
  if (typeof parsed === "string") return parsed.replaceAll(MARK, "") as T;
  if (Array.isArray(parsed)) return parsed.map(unguarded) as T;
  if (typeof parsed !== "object" || parsed === null) return parsed;
  return Object.fromEntries(Object.entries(parsed).map(([name, value]) => [name, unguarded(value)])) as T;
}

/** An option's name as it is typed: "savePlan" is "save-plan". */
export function kebab(name: string): string {
  return name.replaceAll(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}
