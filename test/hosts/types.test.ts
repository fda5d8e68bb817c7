import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, it } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** All declaration files that `exports` names, under whatever conditions. */
function declarations(to: unknown): string[] {
  if (typeof to === "string") return /\.d\.c?ts$/.test(to) ? [join(ROOT, to)] : [];
  return [...new Set(Object.values(to as object).flatMap(declarations))];
}

// The long form, from a tarball and with older compilers, is `npm run hosts -- package`.
it("ships declarations that strict programs without skipLibCheck compile with", { timeout: 240_000 }, () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const files = declarations(exports);
  expect(files.length).toBeGreaterThan(25);
  const program = ts.createProgram(files, {
    strict: true,
    skipLibCheck: false,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    types: ["node"],
  });
  const messages = ts
    .getPreEmitDiagnostics(program)
    .map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
  expect(messages).toEqual([]);
});
