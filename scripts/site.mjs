// Builds the playground into build/site: `npm run site` serves it, `node scripts/site.mjs --build` only builds. Needs build/ (npm run build:wasm).
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";
import { rolldown } from "rolldown";

const ROOT = new URL("../", import.meta.url);
const OUT = new URL("build/site/", ROOT);
const SAMPLES = ["fmnist_vit", "fmnist_mobilenet", "fmnist_resnet"];
const COPIED = ["index.html", "style.css", "icon.svg"];
const TYPES = {
  ...{
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
  },
  ...{ ".onnx": "application/octet-stream", ".bin": "application/octet-stream" },
};

/** Writes build/site; resolves to the names of its files. */
export async function buildSite() {
  if (!existsSync(new URL("build/simd-common.js", ROOT)))
    throw new Error('the page needs the core: run "npm run build:wasm" first');
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(new URL("samples/", OUT), { recursive: true });
  // Two bundles: what draws is small, and is there before what computes.
  for (const entry of ["main", "worker"]) {
    const bundle = await rolldown({
      input: { [entry]: fileURLToPath(new URL(`site/${entry}.ts`, ROOT)) },
      platform: "browser",
      logLevel: "silent",
    });
    await bundle.write({
      dir: fileURLToPath(OUT),
      format: "es",
      minify: true,
      entryFileNames: "[name].js",
      chunkFileNames: `${entry}-[name].js`,
      // What several chunks import is one chunk: brotli finds more in it than in 30 small ones.
      codeSplitting: { groups: [{ name: "shared", test: /\/src\//, minShareCount: 2 }] },
    });
    await bundle.close();
  }
  for (const file of COPIED) cpSync(new URL(`site/${file}`, ROOT), new URL(file, OUT));
  for (const name of SAMPLES)
    cpSync(new URL(`test/fixtures/models/${name}.onnx`, ROOT), new URL(`samples/${name}.onnx`, OUT));
  cpSync(new URL("test/fixtures/fashion_mnist/pictures.bin", ROOT), new URL("samples/pictures.bin", OUT));
  const files = readdirSync(OUT, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => `${file.parentPath}/${file.name}`.slice(fileURLToPath(OUT).length).replace(/^\//, ""))
    .sort();
  // A page of another build is another cache.
  const content = createHash("sha256");
  for (const file of files) content.update(readFileSync(new URL(file, OUT)));
  const version = content.digest("hex").slice(0, 16);
  const offline = readFileSync(new URL("site/offline.js", ROOT), "utf8");
  writeFileSync(
    new URL("offline.js", OUT),
    offline.replace("FILES", JSON.stringify(["./", ...files])).replace("VERSION", version),
  );
  return [...files, "offline.js"];
}

/** Serves build/site on this machine; resolves to its address and a way to end it. */
export async function serveSite(port = 0) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const path = new URL(`.${pathname.endsWith("/") ? `${pathname}index.html` : pathname}`, OUT);
    let body;
    try {
      if (!path.href.startsWith(OUT.href)) throw new Error("outside");
      body = readFileSync(path);
    } catch {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[extname(path.pathname)] ?? "application/octet-stream" }).end(body);
  });
  await new Promise((resolve, reject) => server.on("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    url: `http://localhost:${server.address().port}/`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const files = await buildSite();
  const sizes = files
    .filter((file) => !file.startsWith("samples/"))
    .map((file) => brotliCompressSync(readFileSync(new URL(file, OUT))).length);
  console.log(
    `build/site: ${files.length} files, ${(sizes.reduce((sum, size) => sum + size, 0) / 1000).toFixed(1)} kB brotli without the samples`,
  );
  if (!process.argv.includes("--build"))
    console.log(`${(await serveSite(Number(process.env.PORT ?? 8080))).url}  (Ctrl+C ends it)`);
}
