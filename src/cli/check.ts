import { access, constants, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { CAC } from "cac";
import { fileError, isSameFile, STDIO } from "./files.ts";
import { UsageError } from "./usage.ts";
import { kebab } from "./words.ts";

/** Options that name what a command writes. */
const OUTPUTS = ["output", "svg", "savePlan", "receipt"];
/** Arguments that are words, not files. */
const WORDS = ["action", "name", "shell"];

/** An option that was given: how it is written, what stands behind it, and its values. */
interface Given {
  readonly name: string;
  readonly flag: string;
  readonly placeholder: string;
  readonly description: string;
  readonly values: readonly unknown[];
}

/**
 * Looks at a command line before the command works, perhaps for minutes: options that belong to another action or are given too often, outputs that cannot be
 * written, that would replace what the command reads, or that share a place.
 *
 * @returns the files that will be replaced
 * @throws UsageError for words that do not go together, Error for an output that cannot be written
 */
export async function checkCommandLine(cli: CAC): Promise<string[]> {
  const { args, options } = cli.matchedCommand!;
  const given = options.flatMap(({ name, rawName, description, config }): Given[] => {
    const value: unknown = cli.options[name];
    if (value === undefined || value === config?.default) return [];
    const flag = `--${kebab(name)}`;
    const placeholder = /<(.*)>/.exec(rawName)?.[1] ?? "";
    return [{ name, flag, placeholder, description, values: Array.isArray(value) ? value : [value] }];
  });
  for (const { flag, description, values } of given) {
    if (values.length > 1 && !description.includes("repeat"))
      throw new UsageError(`${flag} expected once, got ${values.length} times`);
  }
  if (args[0]?.value === "action") checkAction(String(cli.args[0]), given);
  const words = cli.args.filter((_, i) => !WORDS.includes(args[Math.min(i, args.length - 1)]!.value));
  const force = options.some(({ name }) => name === "force") ? cli.options["force"] === true : undefined;
  return checkOutputs(given, words, force);
}

/** "gamma, certify: …" begins the description of an option that no other action takes. */
function checkAction(action: string, given: readonly Given[]): void {
  for (const { flag, description } of given) {
    const owners = description
      .split("; ")
      .flatMap((part) => /^([a-z]+(?:, [a-z]+)*)\b[^:]*: /.exec(part)?.[1]!.split(", ") ?? []);
    if (owners.length > 0 && !owners.includes(action))
      throw new UsageError(`${flag} is for ${owners.join(", ")}, got ${action}`);
  }
}

/** @param force whether a file that is read may be replaced; undefined where no option says so */
async function checkOutputs(
  given: readonly Given[],
  words: readonly string[],
  force: boolean | undefined,
): Promise<string[]> {
  const outputs = given.filter(({ name, placeholder }) => OUTPUTS.includes(name) && /^(file|dir)$/.test(placeholder));
  const piped = [
    ...given.filter(({ name }) => name === "json").map(({ flag }) => flag),
    ...outputs.filter(({ values }) => values[0] === STDIO).map(({ flag }) => `${flag} -`),
  ];
  if (piped.length > 1) throw new UsageError(`${piped.join(" and ")} would both write to stdout`);
  const inputs = given
    .filter((one) => !outputs.includes(one) && /file|model/i.test(one.placeholder))
    .flatMap(({ values }) => values.flatMap((value) => [String(value), String(value).replace(/^[^=]*=/, "")]));
  const replaced: string[] = [];
  const owners = new Map<string, string>();
  for (const { flag, placeholder, values } of outputs) {
    const path = String(values[0]);
    if (path === STDIO || placeholder !== "file") continue;
    const owner = owners.get(resolve(path));
    if (owner !== undefined) throw new UsageError(`${owner} and ${flag} would both write ${path}`);
    owners.set(resolve(path), flag);
    const there = await checkWritable(path);
    const same = await Promise.all([...words, ...inputs].map((input) => isSameFile(input, path)));
    if (same.includes(true) && !force)
      throw new UsageError(
        `${flag} ${path} would replace a file that is read${force === undefined ? "" : "; --force does so"}`,
      );
    if (there) replaced.push(path);
  }
  if (outputs.some(({ name }) => name === "svg")) await (await import("../experiments/plot.ts")).loadCharts();
  return replaced;
}

/** Whether a regular file is there already. */
async function checkWritable(path: string): Promise<boolean> {
  try {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
    await access(found === undefined ? `${dirname(path)}/.` : path, constants.W_OK);
    return found?.isFile() ?? false;
  } catch (cause) {
    throw fileError("write", path, cause);
  }
}
