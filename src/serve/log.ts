import { destination, type Logger, pino } from "pino";

/** Lines of JSON on stderr. */
export function makeLog(level: string): Logger {
  return pino({ level, base: undefined }, destination(2));
}
