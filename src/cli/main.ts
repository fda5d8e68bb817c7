#!/usr/bin/env node
import { type CAC, cac } from "cac";
import { fileReason } from "../session/file-reason.ts";
import { COMMANDS } from "./commands.ts";
import { printAside } from "./print.ts";
import { STDIO } from "./stdio.ts";
import { suggestion } from "./suggest.ts";
import { packageVersion } from "./version.ts";
import { guarded, kebab, unguarded } from "./words.ts";

/** Runs the command line; resolves to the exit code: 0 success, 1 failure, 2 usage. */
export async function main(argv: readonly string[]): Promise<number> {
  const [word] = argv.slice(2);
  if (word === undefined || word === "--help" || word === "-h") {
    (word === undefined ? process.stderr : process.stdout).write(
      word === undefined ? "bitbasis: expected a command; see bitbasis --help\n" : overview(),
    );
    return word === undefined ? 2 : 0;
  }
  if (word === "--version" || word === "-v" || argv.includes("--version")) {
    process.stdout.write(`bitbasis/${packageVersion()} ${process.platform}-${process.arch} node-${process.version}\n`);
    return 0;
  }
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  if (command === undefined) {
    const near = suggestion(word, [...Object.keys(COMMANDS), "--help", "--version"]);
    printAside(`bitbasis: unknown command "${word}"${near || "; see bitbasis --help"}`);
    return 2;
  }
  const cli = cac("bitbasis");
  try {
    (await command.load())(cli.command(command.usage, command.summary), COMMANDS);
    cli.help();
    cli.parse([...argv.slice(0, 2), ...guarded(argv.slice(2))], { run: false });
    if (cli.options["help"]) return 0;
    cli.options = unguarded(cli.options);
    cli.args = unguarded(cli.args);
    // It reads files as commands do: help and versions need not wait for it.
    const { checkCommandLine } = await import("./check.ts");
    const replaced = await checkCommandLine(cli);
    await cli.runMatchedCommand();
    for (const path of replaced) printAside(`bitbasis: ${path} was there and is replaced`);
    return process.exitCode === undefined ? 0 : Number(process.exitCode);
  } catch (error) {
    const { name, message } = error as Error;
    printAside(
      `bitbasis: ${asTyped(cli, unguarded(message)).replaceAll(STDIO, "-")}${name === "CACError" ? nearOption(cli, message) : ""}`,
    );
    return USAGE.includes(name) ? 2 : 1;
  }
}

/** Errors that say that something was asked for in a wrong way: of the parser, of this folder, and of the library about its options. */
const USAGE = ["CACError", "UsageError", "RangeError", "TypeError"];

/** The library's `"budgetBits" expected …` in the words of the command line, and cac's sentence about words that no argument is for. */
function asTyped(cli: CAC, message: string): string {
  const [, unused] = /^Unused args: (.*)$/s.exec(message) ?? [];
  if (unused !== undefined)
    return `"${cli.matchedCommand?.rawName ?? ""}" takes no more arguments, got ${unused.replaceAll("`", '"')}`;
  // Of a model on stdin; beside a path these files are found.
  const beside = /pass these bytes as externalData\[.*\]/s.exec(message)?.[0];
  if (beside !== undefined) return message.replace(beside, "give the path of the model, which it lies beside");
  const name = /^"(\w+)" expected /.exec(message)?.[1];
  const option = cli.matchedCommand?.options.find((one) => one.name === name || `${one.name}s` === name);
  return option === undefined ? message : message.replace(`"${name}"`, `--${kebab(option.name)}`);
}

/** The commands with their summaries: nothing is loaded for it. */
function overview(): string {
  const rows = Object.values(COMMANDS).map(({ usage, summary }) => [usage, summary] as const);
  const width = Math.max(...rows.map(([usage]) => usage.length));
  const lines = rows.map(([usage, summary]) => `  ${usage.padEnd(width)}  ${summary}`);
  return `bitbasis/${packageVersion()}\n\nUsage: bitbasis COMMAND [options]\n\nCommands:\n${lines.join("\n")}\n\nbitbasis COMMAND --help tells the options of a command.\n`;
}

/** What the unknown option of cac's sentence may have been meant to be. */
function nearOption(cli: CAC, message: string): string {
  const unknown = /^Unknown option `--?([^`]+)`/.exec(message)?.[1];
  const options = cli.matchedCommand?.options.map(({ name }) => kebab(name));
  return unknown === undefined || options === undefined ? "" : suggestion(unknown, options).replace('"', '"--');
}

// Whoever closes a pipe early, as `| head -1` does, has what he wanted.
process.stdout.on("error", (cause: NodeJS.ErrnoException) => {
  if (cause.code === "EPIPE") process.exit();
  printAside(`bitbasis: cannot write stdout: ${fileReason(cause)}`);
  process.exit(1);
});
process.stderr.on("error", () => undefined);
process.exitCode = await main(process.argv);
