// One table of digests: a row for each build of each runtime, a column for each network and preset.
import { NETWORKS, PRESETS, SESSION_BUILDS } from "./networks.mjs";

/** Letters of a digest that are shown; all are compared. */
const SHOWN = 8;

/**
 * @param rows - by name of the runtime, digests by build
 * @param expected - digests by "network preset"
 * @returns the text, and what differs from what is expected, as "runtime build network preset"; a build that a runtime does not have is no difference
 */
export function digestTable(rows, expected) {
  const different = [];
  const lines = [];
  for (const network of NETWORKS) {
    lines.push("", `| ${network} | build | ${PRESETS.join(" | ")} |`, `|---|---|${"---|".repeat(PRESETS.length)}`);
    for (const [runtime, builds] of Object.entries(rows)) {
      for (const build of SESSION_BUILDS.filter((one) => one in builds)) {
        const cells = PRESETS.map((preset) => {
          const key = `${network} ${preset}`;
          const digest = builds[build][key];
          const same = digest === expected[key];
          if (!same) different.push(`${runtime} ${build} ${key}`);
          return same ? digest.slice(0, SHOWN) : `**${digest?.slice(0, SHOWN) ?? "none"}**`;
        });
        lines.push(`| ${runtime} | ${build} | ${cells.join(" | ")} |`);
      }
    }
  }
  return { text: lines.slice(1).join("\n"), different };
}
