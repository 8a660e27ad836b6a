import { isIPv4 } from "node:net";
import { basename } from "node:path";
import { checkCatalogue } from "./catalogue.ts";
import type { Path } from "./document.ts";
import { checkEngineModel, checkEngines, type Finding } from "./engine-checks.ts";
import type { Problem } from "./error.ts";
import { checkFallbacks } from "./fallback-checks.ts";
import { nearest } from "./nearest.ts";
import { checkPool } from "./pool-checks.ts";
import type { ConfigFile } from "./schema.ts";
import { isSocketPath, whyNoSocket } from "./socket-path.ts";
import type { Surroundings } from "./surroundings.ts";

/** What no single key can tell: names that must exist, files that must be there. */
export function crossCheck(
  config: ConfigFile,
  { isFile, platform, env }: Pick<Surroundings, "isFile" | "platform" | "env">,
  pulled: readonly string[],
  where: (path: Path) => string,
): Problem[] {
  const findings = [
    ...Object.keys(config.models).flatMap((name) => checkModel(name, config, isFile, pulled)),
    ...checkEngines(config, isFile, env),
    ...checkFallbacks(config),
    ...checkAliases(config),
    ...checkDefault(config),
    ...checkLayouts(config),
    ...checkAdminKeys(config),
    ...checkCatalogue(config.catalogue).map(({ path, message }) => ({ path: ["catalogue", ...path], message })),
    ...checkSocket(config, platform),
  ];
  return findings.map(({ path, message }) => ({ where: where(path), field: path.join("."), message }));
}

function checkModel(
  name: string,
  config: ConfigFile,
  isFile: (path: string) => boolean,
  pulled: readonly string[],
): Finding[] {
  const entry = config.models[name];
  if (entry === undefined) return [];
  const path = ["models", name];
  const kinds = [entry.file, entry.use, entry.engine, entry.replicas];
  if (kinds.every((kind) => kind === undefined)) {
    const message =
      "expected `file: PATH`, `use: NAME`, `engine: NAME` or `replicas: [NAME, …]`, found none; say who answers to this name";
    return [{ path, message }];
  }
  if (entry.use !== undefined) return checkUse(entry.use, Object.keys(entry), path, config);
  if (entry.replicas !== undefined) return checkPool(entry, path, config);
  const pooling = (["policy", "max_resumes", "hedge"] as const).find((key) => entry[key] !== undefined);
  if (pooling !== undefined) {
    const message = `\`${pooling}\` is for a model of several others; it needs \`replicas: [NAME, …]\` beside it`;
    return [{ path: [...path, pooling], message }];
  }
  if (entry.engine !== undefined) return checkEngineModel(entry, path, config);
  if (entry.model !== undefined) {
    const message = "`model` is the name that an engine elsewhere has for it; it needs `engine: NAME` beside it";
    return [{ path: [...path, "model"], message }];
  }
  const elsewhere = (["emulate", "thinking"] as const).find((key) => entry[key] !== undefined);
  if (elsewhere !== undefined) {
    const message = `\`${elsewhere}\` is for a model of an engine elsewhere; it needs \`engine: NAME\` beside it`;
    return [{ path: [...path, elsewhere], message }];
  }
  if (entry.file !== undefined && !isFile(entry.file)) {
    return [{ path: [...path, "file"], message: noWeights(entry.file, pulled) }];
  }
  return [];
}

function noWeights(file: string, pulled: readonly string[]): string {
  const name = basename(file);
  if (/\.gguf$/i.test(name)) return `there is no file ${file}; check the path`;
  const meant = nearest(name, pulled);
  const advice =
    meant === undefined ? `\`continuo pull ${name}\` gets it if it is in the catalogue` : `did you mean "${meant}"?`;
  return `there is neither a file ${file} nor a pulled model "${name}"; ${advice} (\`continuo models\` lists what is here)`;
}

function checkUse(use: string, keys: readonly string[], path: Path, config: ConfigFile): Finding[] {
  const others = keys.filter((key) => key !== "use");
  if (others.length > 0) {
    const message = `\`use\` stands alone, found ${others.join(", ")} beside it; set those on the model "${use}"`;
    return [{ path: [...path, others[0] ?? "use"], message }];
  }
  if (config.models[use]?.use !== undefined) {
    return [{ path: [...path, "use"], message: `"${use}" uses another model itself; name that one here` }];
  }
  const known = answeringNames(config);
  return known.includes(use) ? [] : [{ path: [...path, "use"], message: unknownModel(use, known) }];
}

function checkAliases(config: ConfigFile): Finding[] {
  const owners = new Map(Object.keys(config.models).map((name) => [name, name]));
  const findings: Finding[] = [];
  for (const [name, entry] of Object.entries(config.models)) {
    for (const [index, alias] of (entry.aliases ?? []).entries()) {
      const owner = owners.get(alias);
      if (owner === undefined) owners.set(alias, name);
      else {
        const message = `"${alias}" already belongs to "${owner}"; a name has one model`;
        findings.push({ path: ["models", name, "aliases", index], message });
      }
    }
  }
  return findings;
}

function checkDefault(config: ConfigFile): Finding[] {
  if (config.default === undefined) return [];
  const known = [
    ...Object.keys(config.models),
    ...Object.values(config.models).flatMap(({ aliases }) => aliases ?? []),
  ];
  return known.includes(config.default) ? [] : [{ path: ["default"], message: unknownModel(config.default, known) }];
}

/** Whoever is trusted to call models must not be able to make keys. */
function checkAdminKeys(config: ConfigFile): Finding[] {
  const calling = new Set(config.api_keys.map(({ key }) => key));
  const message = "this key is among `api_keys` too; a key either administers or calls models, so choose another";
  return config.admin_keys.flatMap(({ key }, index) =>
    calling.has(key) ? [{ path: ["admin_keys", index], message }] : [],
  );
}

function checkSocket({ host, socket_mode: mode }: ConfigFile, platform: NodeJS.Platform): Finding[] {
  if (isSocketPath(host)) {
    const message = whyNoSocket(host, platform);
    return message === undefined ? [] : [{ path: ["host"], message }];
  }
  if (mode === undefined) return [];
  const message = `permissions belong to a Unix socket, and "${host}" is none; leave them out, or make host a path`;
  return [{ path: ["socket_mode"], message }];
}

function checkLayouts(config: ConfigFile): Finding[] {
  return Object.entries(config.fim_layouts).flatMap(([family, { repo_name: repoName, file_sep: fileSep }]) => {
    if ((repoName === undefined) === (fileSep === undefined)) return [];
    const message = "`repo_name` and `file_sep` make the repository form together; give both or neither";
    return [{ path: ["fim_layouts", family, repoName === undefined ? "file_sep" : "repo_name"], message }];
  });
}

function unknownModel(name: string, known: readonly string[]): string {
  if (known.length === 0) return `no model is named "${name}"; add it under \`models:\``;
  const meant = nearest(name, known);
  const advice = meant === undefined ? `choose one of ${known.join(", ")}` : `did you mean "${meant}"?`;
  return `no model is named "${name}"; ${advice}`;
}

function answeringNames(config: ConfigFile): string[] {
  return Object.keys(config.models).filter((name) => config.models[name]?.use === undefined);
}

/** Addresses that only this machine reaches, a Unix socket among them. Other names count as outside: what they resolve to may change. */
export function isLoopback(host: string): boolean {
  const bare = host.toLowerCase().replace(/^\[(.*)\]$/, "$1");
  if (bare === "localhost" || bare === "::1" || isSocketPath(host)) return true;
  return isIPv4(bare) && bare.startsWith("127.");
}
