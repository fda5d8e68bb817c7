import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { QUEUE } from "../../src/batch/wire.ts";

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

const text = readFileSync(new URL("../../deploy/kubernetes.yaml", import.meta.url), "utf8");
const manifests = parseAllDocuments(text, { uniqueKeys: true }).map((document) => {
  expect(document.errors).toEqual([]);
  return document.toJS() as Manifest;
});

/** The schema of a kind, from the definitions of the Kubernetes API. */
async function validate(manifest: Manifest): Promise<void> {
  const kinds = (await import(`kubernetes-models/${manifest.apiVersion}/${manifest.kind}`)) as Record<
    string,
    new (
      data: Manifest,
    ) => { validate(): void }
  >;
  new kinds[manifest.kind]!(manifest).validate();
}

describe("the manifest of Kubernetes", () => {
  it.each(manifests.map((one) => [one.kind, one.metadata.name, one] as const))(
    "%s %s fits its schema",
    async (_kind, _name, manifest) => {
      await validate(manifest);
    },
  );

  it("would be refused with a fault", async () => {
    const faulty = JSON.parse(JSON.stringify(manifests[0]).replace('"containerPort":8080', '"containerPort":"http"'));
    await expect(validate(faulty)).rejects.toThrow(/containerPort/);
  });

  it("scales workers by the list that the queue of this version has", () => {
    expect(text).toContain(`"bull:${QUEUE}:wait"`);
  });
});
