// `node scripts/build-checked.mjs scalar|simd|guard`, which build-wasm.mjs runs: compiles build/checked/{scalar,simd}.wasm, the core with every access to memory checked, or
// build/checked/guard.wasm, which checks it.
// For tests only: package.json's "files" takes nothing from build/'s subfolders. How tests use it: test/support/checked/core.ts.
//
// The sources are rewritten on their way into the compiler: load<T>(at, offset) becomes load<T>(guardRead(at, offset, sizeof<T>()), offset),
// and so on for every form of access in FORMS; a form that the table does not know is an error.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const OUTPUT = join(ROOT, "build/checked");

/** What a call touches: `read` and `write` are positions of addresses, `offset` that of the immediate offset, `bytes` how many (of its type T). */
const FORMS = {
  load: { read: 0, offset: 1, bytes: (type) => `sizeof<${type}>()` },
  store: { write: 0, offset: 2, bytes: (type) => `sizeof<${type}>()` },
  "memory.copy": { write: 0, read: 1, bytes: (_, args) => `<usize>(${args[2]})` },
  "memory.fill": { write: 0, bytes: (_, args) => `<usize>(${args[2]})` },
  "v128.load": { read: 0, offset: 1, bytes: () => "16" },
  "v128.load_ext": { read: 0, offset: 1, bytes: () => "8" },
  "v128.load_splat": { read: 0, offset: 1, bytes: (type) => `sizeof<${type}>()` },
  "v128.load32_splat": { read: 0, offset: 1, bytes: () => "4" },
  "v128.load64_splat": { read: 0, offset: 1, bytes: () => "8" },
  "v128.load64_zero": { read: 0, offset: 1, bytes: () => "8" },
  "v128.load_zero": { read: 0, offset: 1, bytes: (type) => `sizeof<${type}>()` },
  "v128.load_lane": { read: 0, offset: 3, bytes: (type) => `sizeof<${type}>()` },
  "v128.store": { write: 0, offset: 2, bytes: () => "16" },
  "v128.store_lane": { write: 0, offset: 3, bytes: (type) => `sizeof<${type}>()` },
  "v128.store32_lane": { write: 0, offset: 3, bytes: () => "4" },
  "v128.store64_lane": { write: 0, offset: 3, bytes: () => "8" },
};
const ACCESS =
  /(?<![\w.])((?:v128|i32|i64|f32|f64|memory|atomic)\.(?:load|store|copy|fill|atomic)(?!sign)\w*|load|store)(?:<(\w+)>)?\(/g;

async function compile(entry, target, output, rewrite) {
  mkdirSync(OUTPUT, { recursive: true });
  const read = (name, base) => {
    try {
      const text = readFileSync(join(base, name), "utf8");
      return name.startsWith("assembly/") ? rewrite(text, name) : text;
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      return null;
    }
  };
  const write = (name, contents, base) => {
    const path = join(base, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, contents);
  };
  const args = [`assembly/${entry}`, "--target", target, "--outFile", `build/checked/${output}`, "--baseDir", ROOT];
  const { error, stderr } = await asc.main(args, { readFile: read, writeFile: write });
  if (error !== null) throw new Error(`${entry}: ${stderr.toString()}`, { cause: error });
  console.log(`build/checked/${output} ${readFileSync(join(OUTPUT, output)).length} bytes`);
}

/** The source with every access guarded. Comments hold no calls with balanced arguments, so they are left out first. */
function checked(source, name) {
  const text = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, (comment) => comment.replaceAll(/[^\n]/g, " "));
  let result = "";
  let from = 0;
  for (const match of text.matchAll(ACCESS)) {
    if (match.index < from) continue;
    const { args, end } = callArguments(text, match.index + match[0].length);
    result += text.slice(from, match.index) + match[0] + guarded(match, args, name).join(", ");
    from = end;
  }
  return result + text.slice(from);
}

function guarded([call, form, type], args, name) {
  const known = FORMS[form];
  if (known === undefined) throw new Error(`${name}: scripts/build-checked.mjs does not know what ${call}…) touches`);
  const inner = args.map((arg) => checked(arg, name));
  const bytes = known.bytes(type, args);
  const offset = args[known.offset ?? args.length] ?? "0";
  if (known.read !== undefined) inner[known.read] = `guardRead(${inner[known.read]}, ${offset}, ${bytes})`;
  if (known.write !== undefined) inner[known.write] = `guardWrite(${inner[known.write]}, ${offset}, ${bytes})`;
  return inner;
}

/** The arguments of a call whose first one begins at `from`, and where its closing bracket stands. */
function callArguments(text, from) {
  const args = [];
  let depth = 0;
  let start = from;
  for (let at = from; at < text.length; at++) {
    const c = text[at];
    if (c === "(" || c === "[") depth++;
    else if (c === "," && depth === 0) {
      args.push(text.slice(start, at));
      start = at + 1;
    } else if (c === ")" || c === "]") {
      if (depth-- > 0) continue;
      if (text.slice(start, at).trim() !== "") args.push(text.slice(start, at));
      return { args, end: at };
    }
  }
  throw new Error("an argument list does not end");
}

const [name] = process.argv.slice(2);
if (name === "guard") await compile("checked/guard.ts", "scalar", "guard.wasm", (text) => text);
else await compile("checked/core.ts", name, `${name}.wasm`, checked);
