import type { Path } from "./document.ts";
import type { Finding } from "./engine-checks.ts";
import type { ModelEntry } from "./model-schema.ts";
import { nearest } from "./nearest.ts";
import type { ConfigFile } from "./schema.ts";

/** What a model of several others can be told. */
const KEYS: ReadonlySet<string> = new Set<keyof ModelEntry>([
  ...(["replicas", "policy", "max_resumes", "hedge", "fallbacks", "aliases", "sampling", "capabilities"] as const),
]);

/** Replicas are models in a file or of an engine, each once. */
export function checkPool(entry: ModelEntry, path: Path, { models }: ConfigFile): Finding[] {
  const names = (entry.replicas ?? []).map((each) => (typeof each === "string" ? each : each.model));
  const misplaced = Object.keys(entry)
    .filter((key) => !KEYS.has(key))
    .map((key): Finding => {
      const message = "this is for a model with weights of its own; set it on the replicas";
      return { path: [...path, key], message };
    });
  if (names.length === 0) {
    return [{ path: [...path, "replicas"], message: "expected at least one name of a model" }, ...misplaced];
  }
  const known = Object.keys(models).filter((name) => isReplica(models[name]));
  const wrong = names.flatMap((name, index): Finding[] => {
    const at = [...path, "replicas", index];
    if (names.indexOf(name) !== index) return [{ path: at, message: `"${name}" is a replica already; name it once` }];
    if (known.includes(name)) return [];
    return [{ path: at, message: unknownReplica(name, Object.hasOwn(models, name), known) }];
  });
  return [...wrong, ...misplaced];
}

function isReplica(entry: ModelEntry | undefined): boolean {
  return entry?.file !== undefined || entry?.engine !== undefined;
}

function unknownReplica(name: string, exists: boolean, known: readonly string[]): string {
  if (exists) return `"${name}" is no model in a file or of an engine; name those here`;
  const meant = nearest(name, known);
  const advice =
    meant !== undefined
      ? `did you mean "${meant}"?`
      : known.length > 0
        ? `choose one of ${known.join(", ")}`
        : "add it under `models:` with `file` or `engine`";
  return `no model is named "${name}"; ${advice}`;
}
