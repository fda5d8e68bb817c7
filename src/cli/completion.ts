import { type Command, cac } from "cac";
import type { Entry } from "./entry.ts";
import { printText } from "./print.ts";
import { choice } from "./usage.ts";

const SHELLS = ["bash", "zsh", "fish"] as const;

/** The options of a command as they are typed, each with its description. */
interface Completed {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly { readonly flag: string; readonly description: string }[];
}

export function registerCompletion(command: Command, all: Readonly<Record<string, Entry>>): void {
  command
    .example("bitbasis completion bash > ~/.local/share/bash-completion/completions/bitbasis")
    .example("bitbasis completion fish > ~/.config/fish/completions/bitbasis.fish")
    .action(async (shell: string) => {
      const write = { bash, zsh, fish }[choice("shell", shell, SHELLS)];
      printText(write(await everyCommand(all)));
    });
}

async function everyCommand(all: Readonly<Record<string, Entry>>): Promise<Completed[]> {
  const commands: Completed[] = [];
  for (const [name, { usage, summary, load }] of Object.entries(all)) {
    const command = cac("bitbasis").command(usage, summary);
    (await load())(command, all);
    const options = command.options.flatMap(({ rawName, description }) =>
      (rawName.match(/--?[a-z][\w-]*/g) ?? []).map((flag) => ({ flag, description })),
    );
    commands.push({ name, summary, options: [...options, { flag: "--help", description: "Tell the options" }] });
  }
  return commands;
}

function bash(commands: readonly Completed[]): string {
  const cases = commands.map(
    ({ name, options }) => `    ${name}) words="${options.map(({ flag }) => flag).join(" ")}" ;;`,
  );
  return `_bitbasis() {
  local word="\${COMP_WORDS[COMP_CWORD]}" words
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")}" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) words="" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _bitbasis bitbasis`;
}

function zsh(commands: readonly Completed[]): string {
  const list = commands.map(({ name, summary }) => `    '${name}:${quoted(summary)}'`);
  const cases = commands.map(
    ({ name, options }) => `    ${name}) compadd -- ${options.map(({ flag }) => flag).join(" ")} ;;`,
  );
  return `#compdef bitbasis
_bitbasis() {
  local -a commands=(
${list.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "\${words[2]}" in
${cases.join("\n")}
  esac
  _files
}
compdef _bitbasis bitbasis`;
}

function fish(commands: readonly Completed[]): string {
  return commands
    .flatMap(({ name, summary, options }) => [
      `complete -c bitbasis -n __fish_use_subcommand -a ${name} -d '${quoted(summary)}'`,
      ...options.map(({ flag, description }) => {
        const long = flag.startsWith("--");
        return `complete -c bitbasis -n '__fish_seen_subcommand_from ${name}' ${long ? "-l" : "-s"} ${flag.replace(/^-+/, "")} -d '${quoted(description)}'`;
      }),
    ])
    .join("\n");
}

/** Between single quotes of a shell. */
function quoted(text: string): string {
  return text.replaceAll("'", "’");
}
