/** What a person types to name a model: `qwen2.5-coder-7b-instruct`, `hf:owner/repo:q4_k_m`, an address, a path. */
import { resolve } from "node:path";
import { BUILT_IN_NAME } from "./built-in.ts";
import type { Catalogue } from "./catalog.ts";
import { ModelFailure } from "./failure.ts";
import { HUB_IDS, type Hub, type HubId } from "./hub.ts";

export type Reference =
  | {
      readonly kind: "repository";
      readonly hub: Hub;
      readonly repository: string;
      readonly revision: string;
      /** A file name or a quantisation; absent: chosen for the machine. */
      readonly pick?: string;
      /** The catalogue name that was typed; absent: the repository itself was. */
      readonly catalogueName?: string;
    }
  | { readonly kind: "address"; readonly url: URL }
  | { readonly kind: "file" /** Absolute. */; readonly path: string };

export interface ReferenceSurroundings {
  readonly hubs: Readonly<Record<HubId, Hub>>;
  readonly catalogue: Catalogue;
  /** Where catalogue names come from. */
  readonly preferred: HubId;
  isFile(path: string): boolean;
  /** The known name a person may have meant. */
  nearest(word: string, known: Iterable<string>): string | undefined;
}

/** Throws a `ModelFailure` of kind `usage` for what names nothing, with what it could have been. */
export function parseReference(text: string, surroundings: ReferenceSurroundings): Reference {
  if (surroundings.isFile(text)) return { kind: "file", path: resolve(text) };
  if (/^https?:\/\//i.test(text)) return address(text, surroundings);
  const [, prefix, rest] = /^([a-z]+):(.*)$/s.exec(text) ?? [];
  const hubId = HUB_IDS.find((id) => id === prefix);
  if (hubId !== undefined && rest !== undefined) return repository(text, rest, surroundings.hubs[hubId]);
  const [, name = text, pick] = /^([^:/\\]+):([^:/\\]+)$/.exec(text) ?? [];
  if (name === BUILT_IN_NAME) throw inThePackage(name);
  const entry = surroundings.catalogue.find(name);
  if (entry === undefined) throw unknown(text, name, surroundings);
  if (entry.gguf === undefined) throw closed(entry.name);
  const hub = surroundings.hubs[surroundings.preferred];
  return {
    kind: "repository",
    hub,
    repository: entry.gguf,
    revision: hub.defaultRevision,
    catalogueName: entry.name,
    ...(pick !== undefined && { pick }),
  };
}

/** Names of the catalogue that `pull` takes. */
export function pullableNames({
  entries,
}: Catalogue): readonly { readonly name: string; readonly repository: string }[] {
  return entries.flatMap(({ name, gguf }) => (gguf === undefined ? [] : [{ name, repository: gguf }]));
}

/** The page of a file on a hub, copied from the browser, means the file; anything else is fetched as it stands. */
function address(text: string, { hubs }: ReferenceSurroundings): Reference {
  if (!URL.canParse(text)) throw new ModelFailure(`${text} is no web address; check how it is spelt`, "usage");
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") {
    throw new ModelFailure("an address with a name and password in it is not taken: others could read it", "usage");
  }
  for (const hub of Object.values(hubs)) {
    const base = new URL(hub.endpoint);
    const linked = url.origin === base.origin ? hub.linked(url.pathname) : undefined;
    if (linked === undefined) continue;
    const { repository, revision, file } = linked;
    return { kind: "repository", hub, repository, revision, pick: file };
  }
  return { kind: "address", url };
}

function repository(text: string, rest: string, hub: Hub): Reference {
  const [, name, pick] = /^([\w.-]+\/[\w.-]+)(?::(.+))?$/.exec(rest) ?? [];
  if (name === undefined || name.split("/").some((part) => /^\.+$/.test(part))) {
    throw new ModelFailure(
      `expected ${hub.id}:OWNER/REPOSITORY, with :FILE or :QUANTISATION behind it if you like; found "${text}"`,
      "usage",
    );
  }
  return {
    kind: "repository",
    hub,
    repository: name,
    revision: hub.defaultRevision,
    ...(pick !== undefined && { pick }),
  };
}

function closed(name: string): ModelFailure {
  const advice = /coder/.test(name) ? "qwen2.5-coder-7b-instruct" : "qwen2.5-7b-instruct";
  return new ModelFailure(
    `${name} has no public weights; pull an open model, such as ${advice}, which then stands in for it (\`continuo models --available\` lists all)`,
    "usage",
  );
}

function inThePackage(name: string): ModelFailure {
  return new ModelFailure(
    `${name} comes with the package: there is nothing to pull, \`continuo serve\` has it`,
    "usage",
  );
}

function unknown(text: string, name: string, { nearest, catalogue }: ReferenceSurroundings): ModelFailure {
  if (/^[\w.-]+\/[\w.-]+(:[^/]+)?$/.test(text) && !/\.gguf$/i.test(text)) {
    return new ModelFailure(
      `there is no file ${text}; for a repository write hf:${text} (Hugging Face) or ms:${text} (ModelScope)`,
      "usage",
    );
  }
  if (/[/\\]|\.gguf$/i.test(text)) return new ModelFailure(`there is no file ${text}; check the path`, "usage");
  const meant = nearest(
    name,
    pullableNames(catalogue).map((each) => each.name),
  );
  const advice = meant === undefined ? "`continuo models --available` lists the names." : `did you mean ${meant}?`;
  return new ModelFailure(
    `"${text}" is no name of the catalogue; ${advice} Else give hf:OWNER/REPOSITORY, ms:OWNER/REPOSITORY, an address or a path`,
    "usage",
  );
}
