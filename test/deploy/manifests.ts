/** The Kubernetes manifests of `deploy/kubernetes`, as kustomize reads them. */
import { readFileSync } from "node:fs";
import { parse, parseAllDocuments } from "yaml";
import type { Json } from "../support/calls.ts";

const FOLDER = new URL("../../deploy/kubernetes/", import.meta.url);

export const read = (name: string): string => readFileSync(new URL(name, FOLDER), "utf8");

export const KUSTOMIZATION: Json = parse(read("kustomization.yaml"));

/** Each with the file it stands in. */
export const MANIFESTS: readonly { readonly file: string; readonly manifest: Json }[] = KUSTOMIZATION.resources.flatMap(
  (file: string) =>
    parseAllDocuments(read(file)).map((document) => ({ file, manifest: document.toJS({ maxAliasCount: 0 }) })),
);

/** The one of that kind and name. */
export function manifestOf(kind: string, name: string): Json {
  const found = MANIFESTS.filter(({ manifest }) => manifest.kind === kind && manifest.metadata.name === name);
  if (found.length !== 1) throw new Error(`expected one ${kind} ${name}, found ${found.length}`);
  return found[0]?.manifest;
}

export const WORKLOADS: readonly Json[] = MANIFESTS.flatMap(({ manifest }) =>
  ["Deployment", "StatefulSet"].includes(manifest.kind) ? [manifest] : [],
);
