import { BitbasisError } from "../core/index.ts";

/** A core build from elsewhere than the package. */
export type WasmSource = WebAssembly.Module | BufferSource | URL | Response;

/** Compiles what was given; a page served in place of the module is named. */
export async function loadWasm(source: WasmSource | Promise<WasmSource>): Promise<WebAssembly.Module> {
  const from = await source;
  if (from instanceof WebAssembly.Module) return from;
  if (from instanceof URL) return loadWasm(await fetch(from));
  if (from instanceof Response) {
    const bytes = new Uint8Array(await from.arrayBuffer());
    return WebAssembly.compile(checkMagic(bytes, ` from ${from.url || "the response"} (HTTP status ${from.status})`));
  }
  const bytes =
    from instanceof ArrayBuffer
      ? new Uint8Array(from)
      : new Uint8Array(from.buffer as ArrayBuffer, from.byteOffset, from.byteLength);
  return WebAssembly.compile(checkMagic(bytes, ""));
}

function checkMagic(bytes: Uint8Array<ArrayBuffer>, origin: string): Uint8Array<ArrayBuffer> {
  if (bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d) return bytes;
  const text = new TextDecoder().decode(bytes.subarray(0, 64)).trimStart();
  const kind = text.startsWith("<") ? "HTML" : bytes.length === 0 ? "nothing" : "other bytes";
  throw new BitbasisError("BUILD", `"wasm" expected a WebAssembly module, got ${kind}${origin}`);
}
