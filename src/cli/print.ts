/** A table of aligned columns; numbers to the right. */
export function table(header: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const text = [header, ...rows].map((row) => row.map(String));
  const widths = header.map((_, c) => Math.max(...text.map((row) => (row[c] ?? "").length)));
  const numeric = header.map(
    (_, c) =>
      rows.length > 0 &&
      rows.every((row) => typeof row[c] === "number" || /^[-+\d.,]+( ?[kMG]?B|%|ms)?$|^$/.test(String(row[c] ?? ""))),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, c) => (numeric[c] ? cell.padStart(widths[c]!) : cell.padEnd(widths[c]!)))
      .join("  ")
      .trimEnd();
  return [line(text[0]!), widths.map((w) => "-".repeat(w)).join("  "), ...text.slice(1).map(line)].join("\n");
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

export function printText(text: string): void {
  process.stdout.write(`${text}\n`);
}
