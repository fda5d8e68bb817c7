import {
  BitbasisError,
  classOf,
  compileModule,
  decodeUtf8,
  isOf,
  kindOf,
  needWebAssembly,
  nodeModule,
} from "../core/index.ts";

/** A core build from elsewhere than the package. */
export type WasmSource = WebAssembly.Module | BufferSource | URL | Response;

/**
 * Compiles what was given; a page served in place of the module is named.
 *
 * @throws TypeError for something that is no such source, BitbasisError BUILD for what is no WebAssembly module
 */
export async function loadWasm(source: WasmSource | Promise<WasmSource>): Promise<WebAssembly.Module> {
  const from = await source;
  needWebAssembly();
  if (classOf(from) === "WebAssembly.Module") return from as WebAssembly.Module;
  if (classOf(from) === "URL") return loadWasm(await read(from as URL));
  if (isOf(from, "Response")) {
    if (from.bodyUsed) throw new TypeError('"wasm" expected a Response that nobody has read, got one that is in use');
    const bytes = new Uint8Array(await from.arrayBuffer());
    return compile(bytes, ` from ${from.url || "the response"} (HTTP status ${from.status})`);
  }
  const bytes = classOf(from) === "ArrayBuffer" ? new Uint8Array(from as ArrayBuffer) : from;
  if (!ArrayBuffer.isView(bytes)) {
    throw new TypeError(`"wasm" expected a WebAssembly.Module, bytes, URL or Response, got ${kindOf(from)}`);
  }
  return compile(new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength), "");
}

async function read(url: URL): Promise<Response | Uint8Array<ArrayBuffer>> {
  try {
    if (url.protocol !== "file:") return await fetch(url);
    return new Uint8Array(await nodeModule("node:fs/promises").readFile(url));
  } catch (cause) {
    throw new BitbasisError("BUILD", `cannot read "wasm" from ${url.href}: ${(cause as Error).message}`, { cause });
  }
}

async function compile(bytes: Uint8Array<ArrayBuffer>, origin: string): Promise<WebAssembly.Module> {
  checkMagic(bytes, origin);
  return compileModule(bytes, `"wasm" expected a WebAssembly module, got a damaged one${origin}`);
}

function checkMagic(bytes: Uint8Array, origin: string): void {
  if (bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d) return;
  const text = decodeUtf8(bytes.subarray(0, 64)).trimStart();
  const kind = text.startsWith("<") ? "HTML" : bytes.length === 0 ? "nothing" : "other bytes";
  throw new BitbasisError("BUILD", `"wasm" expected a WebAssembly module, got ${kind}${origin}`);
}
