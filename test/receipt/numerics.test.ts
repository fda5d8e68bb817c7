import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { InferenceSession } from "../../src/entries/index.ts";
import { NUMERICS, receipt } from "../../src/entries/receipt.ts";
import { sha256 } from "../../src/model/sha256.ts";
import { FEEDS, onnxModel, PLAN } from "./models.ts";

/**
 * What each numerics version computes: the digest of test/fixtures/digests.json (whole networks, every preset), and the receipts of the small model
 * under every preset and a plan: its outputs and the container that the ONNX file yields, since quantizing is part of what a receipt states. When bits change, raise NUMERICS and add a row; rows of published versions stay as they are.
 */
const FROZEN: Readonly<Record<number, Readonly<Record<string, string>>>> = {
  1: {
    networks: "0fbf3421cdaa16820c514fc04d5ddf6bfd0a8b1fc5e94a9d45b63c516e5baece",
    float32: "329fea4aa602168387b76b19359ca18da9c2b20304719f5162c277599372d722",
    faithful: "ac8222f241742fd61bc5a0a878c23970d9d89c649fb64c7863a26ae4f36da469",
    fast: "bbf983af47ca6f921c7ba6358a60945c70e6a204cbbb0829813105560bbf2278",
    compact: "e2cbfcae0598c510d54a422deaf06c9d738a9a28e5857b1980af45e16c861a7e",
    plan: "fef2f55c567b7df8d62622c5154fc04c0de3c3acc34ba063c84b29779599196a",
  },
  // Activations are multiplied by 1/s, where version 1 divided them by s.
  2: {
    networks: "a437ce4a66f933aeba5ffe73fafdfa67820507a4b84c7f54a81a00745e4719e6",
    float32: "ea61c3170c3720d9a50700303cdb0cf63fe495073516784f7050aad037afadcf",
    faithful: "b293dae4bd13736bdc83b792cb07b57c48c2421b63db7414637c507935f72041",
    fast: "941a29b90faad9d5edd54abb8c89478962158fdda805f5e4434373d14d9f2323",
    compact: "d18c1399243cdc6f940dc7990c57744acba0fe1dd3e1d4de031d8a022986767f",
    plan: "7d33d4a11cac106be6e0e4522dcbc8551cf220f2a9bf4e2984bc69fbc5b586b9",
  },
  // Activations of 12 bits and more out of a Clip between two constants have its range. Weights under `faithful` have 13 or 14 bits where version 2 gave 12, and depthwise ones are float32.
  3: {
    networks: "d98be99fcfef962267829883c24c4324fc880f7b90c18b916c0865e816febe95",
    float32: "f44e9e3851da69356927038897338bbb164472acf0342df58cde16ea0f920b1b",
    faithful: "b00519388b0f03624c661ca709d398ae6d8116546eaa719cfd3636da94e41a01",
    fast: "0e896dfc4b9f5fd73cf1398b4dae910542df852af914e95b822bdd0ab4672fe2",
    compact: "8716f012a62901d57fc1687e8cbcf7dfc923fa2b04176a28a2d8514852ebc58d",
    plan: "a45d582745987871b05fef684ba130749158796442a028294cee1a3c1b75b21f",
  },
  // The arithmetic of version 3; activations beside weights of eight bits have 12 under `fast` and `compact`.
  4: {
    networks: "560ee9ba8a03ea1edb904f38e9e380c83e2cd522dcd5fedb2cd3a211563076dc",
    float32: "697ad6ba00ab1ba79b47b2535f24e976fddf0a4edae3fb8c0933a660ae317a6f",
    faithful: "5dcffb4dd8183aa7d0fcf9ed4c574a156766234587d30510b72ccd11165ccc8b",
    fast: "314898c1997e13c236da951d255de7a904ae6e6a6c5dcb166a259c0d0d724adf",
    compact: "011614ce25775c0367471df59f1bcb4d40d04552d1423086422ade091bb886a9",
    plan: "54e48bad5d7ad23f4b0791798653534535f12077815e92dfcc9a58c979ede8b1",
  },
  // QuantizeLinear makes NaN the least value of its type. Under `faithful` tables have 13 bits, and which layers round their activations follows costs that were measured anew; networks that hand on a recurrent
  // state have 10 × 12 bits under `fast`, 8 × 12 under `compact`.
  5: {
    networks: "560ee9ba8a03ea1edb904f38e9e380c83e2cd522dcd5fedb2cd3a211563076dc",
    float32: "74165c6ad5697aea1aa701cbb08218eee0055b4beeb8a334478d76618a8ab50b",
    faithful: "04798bf293c28807314d0acf854940106f40fa5e26473c0cc20c871449612fcc",
    fast: "e92c0a82f0d7da0db8141ea618f79209068914918dce9cf31940d070442a0bb3",
    compact: "a806b54cf886af9c47d1807d341f2298ffd1b7849e06d143eeb7bfc3894b07e3",
    plan: "a95b55b1d70cdfd77216389e7677e4084c828240fd3adaaead2b236af3e459ca",
  },
  // 3×3 convolutions by quantized weights whose activations stay in float32 are summed up in tiles of 4 × 4 outputs; `faithful`, and `fast` and `compact` where activations have more than 9 bits, leave those of such layers in float32.
  6: {
    networks: "c45965fa81c3dbe7b3ad2008c55a302c3ab484dee3d3657a1508606cd0fdcf7d",
    float32: "f0d108eb057f677f10cc6bf6dc9e410119edb24170b814f9251fb07685ea0961",
    faithful: "808ff002de502b507a4d53b0679fd662d645227577ccd14e399759e63b4a9b90",
    fast: "0cabec97c0468fd31330e8d69481c310db6145f567a4a48e7f04573831876d93",
    compact: "32dc6f585b9fe4e05e3d61949a11c7b70dad0f38af7538023d1b372ed1a65afd",
    plan: "eff74553368b0accd1b55a102155103727b5cb79a41c0f5887590cb04c26f2d7",
  },
};

async function computed(): Promise<Record<string, string>> {
  const digests = new Uint8Array(readFileSync(new URL("../fixtures/digests.json", import.meta.url)));
  const found: Record<string, string> = { networks: sha256(digests) };
  const ways = { float32: {}, faithful: {}, fast: {}, compact: {}, plan: { plan: PLAN } };
  for (const [name, way] of Object.entries(ways)) {
    const options = name === "plan" ? way : { preset: name as "fast" };
    const session = await InferenceSession.create(onnxModel(), options);
    found[name] = (await receipt(session, FEEDS, await session.run(FEEDS))).sha256;
    await session.release();
  }
  return found;
}

it("computes what its numerics version has always computed", async () => {
  expect(await computed()).toEqual(FROZEN[NUMERICS]);
});

it("has a higher numerics version for every change", () => {
  const rows = Object.values(FROZEN).map((row) => JSON.stringify(row));
  expect(new Set(rows).size).toBe(rows.length);
  expect(Object.keys(FROZEN).map(Number)).toEqual(Array.from({ length: NUMERICS }, (_, i) => i + 1));
});
