/** Characters between two columns of a table. */
const GAP = 2;

/** A column of text gets no narrower than this, in characters; a terminal that is narrower still breaks the lines itself. */
const NARROWEST = 16;

/**
 * A table of aligned columns; numbers to the right. Text that is too long for the terminal goes on in the next line, below itself.
 *
 * @param width - characters of a line; where no terminal says how many, lines are as long as they are
 */
export function table(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
  width = process.stdout.columns ?? Number.POSITIVE_INFINITY,
): string {
  const text = [header, ...rows].map((row) => row.map((cell) => visible(String(cell)).replaceAll("\n", "\\n")));
  const numeric = header.map(
    (_, c) =>
      rows.length > 0 &&
      rows.every((row) => typeof row[c] === "number" || /^[-+\d.,]+( ?[kMG]?B|%|ms)?$|^$/.test(String(row[c] ?? ""))),
  );
  const longest = header.map((_, c) => Math.max(...text.map((row) => (row[c] ?? "").length)));
  const widths = narrowed(longest, numeric, width - GAP * (header.length - 1));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, c) => (numeric[c] ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)))
      .join(" ".repeat(GAP))
      .trimEnd();
  const lines = (row: readonly string[]): string[] => {
    const cells = row.map((cell, c) => wrapped(cell, widths[c]!));
    const height = Math.max(...cells.map(({ length }) => length));
    return Array.from({ length: height }, (_, i) => line(cells.map((cell) => cell[i] ?? "")));
  };
  const rule = widths.map((w) => "-".repeat(w)).join(" ".repeat(GAP));
  return [...lines(text[0]!), rule, ...text.slice(1).flatMap(lines)].join("\n");
}

/** The widths, of which the largest of text give way until all fit into `room`, or none can. */
function narrowed(longest: readonly number[], numeric: readonly boolean[], room: number): number[] {
  const widths = [...longest];
  for (let over = widths.reduce((sum, w) => sum + w, 0) - room; over > 0; over--) {
    const largest = Math.max(...widths.filter((_, c) => !numeric[c]));
    if (largest <= NARROWEST) break;
    widths[widths.findIndex((w, c) => !numeric[c] && w === largest)]!--;
  }
  return widths;
}

/** A text in lines of at most `width` characters, broken between words where there are any. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > width) {
    const space = rest.lastIndexOf(" ", width);
    const end = space > 0 ? space : width;
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return [...lines, rest];
}

/** 1536 → "1.5 kB"; decimal units. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(2)} MB`;
}

export function printJson(value: unknown, spell?: (key: string, value: unknown) => unknown): void {
  process.stdout.write(`${JSON.stringify(value, spell, 2)}\n`);
}

/**
 * Text in which a terminal sees no command: names and sentences of a stranger's model may hold its escape sequences, or turn the direction of writing.
 * Line feeds and tabulators stay.
 */
export function visible(text: string): string {
  return text.replace(/\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu, (c) => {
    const code = c.codePointAt(0)!;
    if (c === "\n" || c === "\t") return c;
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}

export function printText(text: string): void {
  process.stdout.write(`${visible(text)}\n`);
}

/** To stderr, where what is said beside the data goes. */
export function printAside(text: string): void {
  process.stderr.write(`${visible(text)}\n`);
}
