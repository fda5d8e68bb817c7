// Documentation that cannot rot: links lead somewhere, and what README and tutorials tell people to type is typed here.
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { dump } from "npyjs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeOnnx } from "../../src/onnx/index.ts";
import { randomTensor, uniformNumbers } from "../../src/tensor/index.ts";
import { build } from "../graph/build.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const TUTORIALS = "docs/tutorials";
const DOCUMENTS = [
  ...readdirSync(ROOT).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join("docs", name)),
];

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");

/** Blocks of code of a language. */
function blocks(text: string, language: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map((match) => match[1]!);
}

/** As GitHub makes an anchor of a heading. */
function anchors(text: string): Set<string> {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map((match) => match[1]!);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

describe("links", () => {
  it.each(DOCUMENTS)("of %s lead somewhere", (file) => {
    const prose = read(file)
      .replaceAll(/```.*?```/gs, "")
      .replaceAll(/`[^`\n]*`/g, "");
    const broken = [...prose.matchAll(/\]\(([^)\s]+)\)/g)]
      .map((match) => match[1]!)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path, anchor] = link.split("#") as [string, string?];
        const target = path === "" ? join(ROOT, file) : resolve(ROOT, dirname(file), path);
        if (!existsSync(target)) return true;
        return anchor !== undefined && target.endsWith(".md") && !anchors(readFileSync(target, "utf8")).has(anchor);
      });
    expect(broken).toEqual([]);
  });
});

describe("the first table", () => {
  /** Names of README's networks in the benchmark's. */
  const NAMES: Readonly<Record<string, string>> = { "PP-OCR recogniser": "ppocr_rec" };
  interface Row {
    readonly network: string;
    readonly preset: string;
    readonly bytes: number;
    readonly onnxBytes: number;
    readonly ratio: number;
  }
  const { warm } = JSON.parse(read("docs/bench/models.json")) as { warm: Row[] };
  const rows = [...read("README.md").matchAll(/^\| ([\w -]+), `(\w+)` \| ([\d.]+) \| .* \| ([\d.]+)× \|$/gm)];

  it("has bytes and speed that were measured", () => {
    expect(rows.length).toBeGreaterThanOrEqual(6);
    for (const [line, name = "", preset, bytes, speed] of rows) {
      const found = warm.find((row) => row.network === (NAMES[name] ?? name) && row.preset === preset);
      expect(found, line).toBeDefined();
      const { bytes: own, onnxBytes, ratio } = found!;
      expect([bytes, speed], line).toEqual([(own / onnxBytes).toFixed(2), ratio.toFixed(1)]);
    }
  });
});

describe("what is told to be typed", () => {
  const folder = mkdtempSync(join(tmpdir(), "bitbasis-docs-"));
  afterAll(() => rmSync(folder, { recursive: true }));
  beforeAll(() => {
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(ROOT, join(folder, "node_modules/bitbasis"));
    const graph = build(
      { image: ["batch", 3, 224, 224] },
      {
        filters: randomTensor("float32", [8, 3, 7, 7], uniformNumbers(1)),
        weights: randomTensor("float32", [8, 10], uniformNumbers(2)),
      },
      [
        ["Conv", ["image", "filters"], ["features"], { strides: [16, 16] }],
        ["Relu", ["features"], ["positive"]],
        ["GlobalAveragePool", ["positive"], ["pooled"]],
        ["Flatten", ["pooled"], ["vector"]],
        ["MatMul", ["vector", "weights"], ["scores"]],
      ],
      ["scores"],
    );
    writeFileSync(join(folder, "model.onnx"), writeOnnx(graph));
    const picture = Float32Array.from({ length: 3 * 224 * 224 }, (_, i) => (i % 11) / 11);
    writeFileSync(join(folder, "cat.npy"), new Uint8Array(dump(picture, [1, 3, 224, 224])));
  });

  /** Types one line; what it prints. */
  function type(line: string): string {
    const words = line.split(/\s+/);
    const script = words[0] === "node" ? words.slice(1) : [join(ROOT, "dist/bin/bitbasis.js"), ...words.slice(1)];
    // As bundlers find the package, whose modules are made before the tests; Node's own bundles may be of another day.
    const argv = ["--conditions=module", ...script];
    const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd: folder, encoding: "utf8" });
    expect(status, `${line}\n${stderr}`).toBe(0);
    return stdout;
  }

  /** Lines of a document that need nothing but the package: no npm, no servers, no other model. */
  function lines(file: string): string[] {
    return blocks(read(file), "sh")
      .flatMap((block) => block.split("\n"))
      .map((line) =>
        line
          .replace(/\s+#.*$/, "")
          .replace(/^npx /, "")
          .trim(),
      )
      .filter((line) => /^(bitbasis|node \w+\.mjs)/.test(line));
  }

  it("README", () => {
    const typed = lines("README.md");
    expect(typed.length).toBeGreaterThanOrEqual(6);
    for (const line of typed) type(line);
    expect(existsSync(join(folder, "back.onnx"))).toBe(true);
  });

  it.each(readdirSync(join(ROOT, TUTORIALS)).filter((name) => /quantize-and-ship|progressive/.test(name)))(
    "%s",
    (name) => {
      const file = join(TUTORIALS, name);
      for (const script of blocks(read(file), "js")) {
        const saved = /^\/\/ (\w+\.mjs)\n/.exec(script)?.[1];
        if (saved !== undefined) writeFileSync(join(folder, saved), script);
      }
      const typed = lines(file);
      expect(typed.some((line) => line.startsWith("node "))).toBe(true);
      const printed = typed.map(type);
      expect(printed.at(-1)).toMatch(
        name.startsWith("progressive") ? /^1 of 2 terms: .*\n2 of 2 terms: / : /^scores float32 \[ 1, 10 \]/,
      );
    },
  );
});
