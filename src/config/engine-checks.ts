import type { Path } from "./document.ts";
import type { ModelEntry } from "./model-schema.ts";
import { nearest } from "./nearest.ts";
import type { ConfigFile } from "./schema.ts";
import type { Surroundings } from "./surroundings.ts";

/** A finding before it has a place. */
export interface Finding {
  readonly path: Path;
  readonly message: string;
}

/** What a model elsewhere can be told. */
const KEYS: ReadonlySet<string> = new Set<keyof ModelEntry>([
  ...(["engine", "model", "fim", "context", "fallbacks", "aliases", "sampling", "capabilities"] as const),
  ...(["emulate", "thinking"] as const),
]);

export function checkEngineModel(entry: ModelEntry, path: Path, { engines }: ConfigFile): Finding[] {
  const { engine = "" } = entry;
  const others = Object.keys(entry).filter((key) => !KEYS.has(key));
  const misplaced = others.map((key): Finding => {
    const message = `this is for models of this machine, and "${engine}" is an engine elsewhere; leave it out`;
    return { path: [...path, key], message };
  });
  if (Object.hasOwn(engines, engine)) return misplaced;
  return [{ path: [...path, "engine"], message: unknownEngine(engine, Object.keys(engines)) }, ...misplaced];
}

function unknownEngine(name: string, known: readonly string[]): string {
  if (known.length === 0) return `no engine is named "${name}"; add it under \`engines:\` with its kind and url`;
  const meant = nearest(name, known);
  const advice = meant === undefined ? `choose one of ${known.join(", ")}` : `did you mean "${meant}"?`;
  return `no engine is named "${name}"; ${advice}`;
}

/** The key and the files that an engine needs. */
export function checkEngines(
  { engines }: ConfigFile,
  isFile: Surroundings["isFile"],
  env: Surroundings["env"],
): Finding[] {
  return Object.entries(engines).flatMap(([name, { api_key_env: variable, tls = {} }]) => {
    const path = ["engines", name];
    const findings: Finding[] = [];
    if (variable !== undefined && (env[variable] ?? "") === "") {
      const message = `the environment has no variable ${variable}; set it to the key of the engine, or leave this out`;
      findings.push({ path: [...path, "api_key_env"], message });
    }
    for (const [key, file] of Object.entries(tls)) {
      if (file !== undefined && !isFile(file))
        findings.push({ path: [...path, "tls", key], message: `there is no file ${file}; check the path` });
    }
    if ((tls.cert === undefined) !== (tls.key === undefined)) {
      const message = "`cert` and `key` belong together; give both or neither";
      findings.push({ path: [...path, "tls", tls.cert === undefined ? "key" : "cert"], message });
    }
    return findings;
  });
}
