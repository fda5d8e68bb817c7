import type { Command } from "cac";

/** A command as the overview shows it, and the module that it is in, which is loaded when it is asked for. */
export interface Entry {
  /** As cac reads it. */
  readonly usage: string;
  readonly summary: string;
  /** What declares the options of the command, and what it does; `all` are the commands by their names. */
  readonly load: () => Promise<(command: Command, all: Readonly<Record<string, Entry>>) => void>;
}
