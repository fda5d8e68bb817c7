// Whoever imports an entry of the package finds every name of it, and every field and option, explained: TypeDoc reads the sources as `npx typedoc` does.
import { fileURLToPath } from "node:url";
import { Application, Logger, LogLevel, TSConfigReader, TypeDocReader } from "typedoc";
import { expect, it } from "vitest";

class Complaints extends Logger {
  readonly texts: string[] = [];

  override log(message: string, level: LogLevel): void {
    if (level >= LogLevel.Warn) this.texts.push(message);
  }
}

const path = (name: string): string => fileURLToPath(new URL(`../../${name}`, import.meta.url));

it("documents every export of every entry, under names that exist", async () => {
  const readers = [new TypeDocReader(), new TSConfigReader()];
  // The types are checked by tsc.
  const options = { options: path("typedoc.json"), tsconfig: path("tsconfig.json"), skipErrorChecking: true };
  const app = await Application.bootstrap(options, readers);
  const complaints = new Complaints();
  app.logger = complaints;
  const project = await app.convert();
  app.validate(project!);
  expect(complaints.texts).toEqual([]);
  expect(project!.children!.map(({ name }) => name)).toContain("index");
});
