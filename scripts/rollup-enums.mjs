// TypeScript's enums as plain objects, which the minifier replaces by their numbers. One that is looked up in somewhere stays as it is, since
// its names may be asked for by number.
import { readdirSync, readFileSync } from "node:fs";

const DIST = new URL("../dist/", import.meta.url);
const ENUM = /^export var (\w+);\n\(function \(\1\) \{\n([\s\S]*?)^\}\)\(\1 \|\| \(\1 = \{\}\)\);/gm;
const MEMBER = /^ *\w+\[\w+\["(\w+)"\] = (-?\d+)\] = "\w+";$/gm;

const IMPORT = /^import \{([^}]*)\} from /gm;

/** Names that a module looks something up in, `Name[…]` or `… in Name`, as they are where they come from. */
function* lookedUpBy(code) {
  const sources = new Map();
  for (const [, names] of code.matchAll(IMPORT))
    for (const [, source, own] of names.matchAll(/(\w+) as (\w+)/g)) sources.set(own, source);
  for (const [, name, other] of code.matchAll(/\b(\w+)\[|\bin (\w+)/g)) {
    const own = name ?? other;
    yield sources.get(own) ?? own;
  }
}

export function plainEnums() {
  const lookedUp = new Set();
  return {
    name: "plain-enums",
    buildStart() {
      for (const file of readdirSync(DIST, { recursive: true })) {
        if (!file.endsWith(".js") || /^web\b|\babi\b/.test(file)) continue;
        for (const name of lookedUpBy(readFileSync(new URL(file, DIST), "utf8"))) lookedUp.add(name);
      }
    },
    transform(code, id) {
      if (!/\/core\/abi\/[^/]+\.js$/.test(id)) return null;
      const plain = code.replace(ENUM, (given, name, body) => {
        const members = [...body.matchAll(MEMBER)].map(([, member, value]) => `${member}: ${value}`);
        const all = body.match(/^ *\w+\[/gm)?.length ?? 0;
        if (lookedUp.has(name) || members.length !== all) return given;
        return `export const ${name} = { ${members.join(", ")} };`;
      });
      return { code: plain, map: null };
    },
  };
}
