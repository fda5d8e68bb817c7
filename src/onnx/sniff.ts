/** Files that people pass by mistake, by their first bytes. */
const SIGNATURES: readonly (readonly [string, string])[] = [
  ["version https://git-lfs", "a Git LFS pointer; fetch the file itself"],
  ["<", "HTML or XML; did the server answer with an error page?"],
  ["{", "JSON text"],
  ["\x89PNG", "a PNG picture"],
  ["\xff\xd8\xff", "a JPEG picture"],
  ["PK\x03\x04", "a zip archive (a PyTorch checkpoint, perhaps); export the model to ONNX"],
  ["\x1f\x8b", "gzip-compressed data; unpack it first"],
  ["\x89HDF", "an HDF5 file (Keras, perhaps); convert the model to ONNX"],
];

/** What bytes are that are surely no ONNX model, or undefined. */
export function describeBytes(bytes: Uint8Array): string | undefined {
  if (bytes.length === 0) return "there are no bytes";
  const head = String.fromCharCode(...bytes.subarray(0, 32)).replace(/^(\xef\xbb\xbf)?\s+(?=[<{])/, "");
  for (const [start, what] of SIGNATURES) if (head.startsWith(start)) return `it looks like ${what}`;
  if (head.slice(4, 8) === "ORTM") {
    return "it is a model in ONNX Runtime's own ORT format (.ort); take the .onnx file that it was made from";
  }
  if (head.slice(4, 8) === "TFL3") return "it looks like a TensorFlow Lite model; convert it to ONNX";
  if (head[8] === "{") return "it looks like a safetensors file";
  return undefined;
}
