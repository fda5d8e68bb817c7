// TypeScript's enums as plain objects, which the minifier replaces by their numbers. One that is looked up in somewhere stays as it is, since
// its names may be asked for by number.
import { readdirSync, readFileSync } from "node:fs";

const DIST = new URL("../dist/", import.meta.url);
const ENUM = /^export var (\w+);\n\(function \(\1\) \{\n([\s\S]*?)^\}\)\(\1 \|\| \(\1 = \{\}\)\);/gm;
const MEMBER = /^ *\w+\[\w+\["(\w+)"\] = (-?\d+)\] = "\w+";$/gm;

export function plainEnums() {
  const lookedUp = new Set();
  return {
    name: "plain-enums",
    buildStart() {
      for (const folder of ["core", "graph", "model", "program", "quantize", "series", "session", "tensor", "onnx"]) {
        for (const file of readdirSync(new URL(folder, DIST), { recursive: true })) {
          if (!file.endsWith(".js") || file.startsWith("abi/")) continue;
          const code = readFileSync(new URL(`${folder}/${file}`, DIST), "utf8");
          for (const [, name] of code.matchAll(/\b(\w+)\[/g)) lookedUp.add(name);
        }
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
