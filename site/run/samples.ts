/** A network that comes with the page. */
export interface Sample {
  readonly file: string;
  readonly title: string;
}

/** Trained on Fashion-MNIST; two convolutional networks and an attention one, of some hundred kilobytes each. */
export const SAMPLES: Readonly<Record<string, Sample>> = {
  fmnist_vit: { file: "fmnist_vit.onnx", title: "Vision transformer, 28×28" },
  fmnist_mobilenet: { file: "fmnist_mobilenet.onnx", title: "MobileNet-like, 28×28" },
  fmnist_resnet: { file: "fmnist_resnet.onnx", title: "ResNet, 28×28" },
};

export const CLASSES = ["T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot"];

/** Pictures in the file that comes with the page. */
export const PICTURES = 200;
const SIDE = 28;

/** Labels, and grey values 0…255 of one picture after another. */
export interface Pictures {
  readonly labels: Uint8Array;
  readonly pixels: Uint8Array;
}

/** Fetches and inflates the pictures. */
export async function fetchPictures(): Promise<Pictures> {
  const response = await fetch("samples/pictures.bin");
  const inflated = response.body!.pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(inflated).arrayBuffer());
  return { labels: bytes.subarray(0, PICTURES), pixels: bytes.subarray(PICTURES) };
}

/** One picture, 28 × 28. */
export function pictureOf({ pixels }: Pictures, index: number): Uint8Array {
  return pixels.subarray(index * SIDE ** 2, (index + 1) * SIDE ** 2);
}

/** As the networks were trained on it. */
export function prepared(pixels: Uint8Array): Float32Array {
  return Float32Array.from(pixels, (value) => (value / 255 - 0.286) / 0.353);
}
