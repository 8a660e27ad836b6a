/** The catalogue of the package, and what the configuration adds to it or changes in it. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Catalogue, type CatalogueEntry } from "../models/catalog.ts";
import { type CatalogueFile, type CatalogueFileEntry, catalogueSchema } from "./catalogue-schema.ts";
import { type Path, parseConfigDocument } from "./document.ts";
import { ConfigError } from "./error.ts";
import { explain } from "./explain.ts";
import { nearest } from "./nearest.ts";
import { present } from "./present.ts";
import { samplingFrom } from "./sampling.ts";

/** Beside `src/` and `dist/`, in a clone as in an installed package. */
const FILE = fileURLToPath(new URL("../../catalogue.json", import.meta.url));

let shipped: CatalogueFile | undefined;

/** The names that come with the package, read once. */
export function shippedNames(): CatalogueFile {
  shipped ??= parseCatalogue(readFileSync(FILE, "utf8"), FILE);
  return shipped;
}

/**
 * The text of a catalogue file. Throws `ConfigError` with line and column of everything that is wrong.
 *
 * @param label how messages call the file.
 */
export function parseCatalogue(source: string, label: string): CatalogueFile {
  // The parser that knows lines takes some hundred times as long, so it is asked only when something is wrong.
  const parsed = catalogueSchema.safeParse(valueOfJson(source));
  if (parsed.success) return parsed.data;
  const { value, where } = parseConfigDocument(source, label);
  throw new ConfigError(explain(parsed.error, catalogueSchema, value, where));
}

function valueOfJson(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch {
    return undefined; // what is wrong with it is said with its place
  }
}

/** @param own entries of the configuration; one of a name that is there is laid over it, field by field. */
export function catalogueFrom(own: CatalogueFile): Catalogue {
  const all = laidOver(shippedNames(), own);
  return new Catalogue(Object.keys(all).map((name) => entryFrom(name, resolved(name, all))));
}

/** Something wrong with an entry that its own line does not show. */
interface Finding {
  readonly path: Path;
  readonly message: string;
}

/** @param base names that are there without it. */
export function checkCatalogue(own: CatalogueFile, base: CatalogueFile = shippedNames()): readonly Finding[] {
  const all = laidOver(base, own);
  const findings = Object.keys(own).flatMap((name) => checkLike(name, all));
  if (findings.length > 0) return findings;
  return Object.keys(own).flatMap((name) => [...checkLimits(name, own, all), ...checkAliases(name, own, all)]);
}

function checkLike(name: string, all: CatalogueFile): readonly Finding[] {
  const path = [name, "like"];
  const seen = [name];
  for (let next = all[name]?.like; next !== undefined; next = all[next]?.like) {
    if (all[next] === undefined) {
      if (seen.length > 1) return []; // said at the entry that names it
      const meant = nearest(next, Object.keys(all));
      const advice = meant === undefined ? "add it, or leave `like` out" : `did you mean "${meant}"?`;
      return [{ path, message: `the catalogue has no "${next}"; ${advice}` }];
    }
    if (seen.includes(next)) {
      return [{ path, message: `${[...seen, next].join(" is like ")}; one of them has to say what it is` }];
    }
    seen.push(next);
  }
  return [];
}

function checkLimits(name: string, own: CatalogueFile, all: CatalogueFile): readonly Finding[] {
  const entry = resolved(name, all);
  const { context = Number.POSITIVE_INFINITY } = entry;
  return (["max_input_tokens", "max_output_tokens"] as const).flatMap((field) => {
    const tokens = entry[field];
    if (tokens === undefined || tokens < context) return [];
    const said = own[name]?.[field] === undefined ? "context" : field;
    return [{ path: [name, said], message: `expected less ${field} (${tokens}) than context (${context})` }];
  });
}

function checkAliases(name: string, own: CatalogueFile, all: CatalogueFile): readonly Finding[] {
  return (own[name]?.aliases ?? []).flatMap((alias, index) => {
    const owner =
      all[alias] === undefined
        ? Object.keys(all).find((other) => other !== name && all[other]?.aliases?.includes(alias) === true)
        : alias;
    if (owner === undefined) return [];
    const message = `"${alias}" already belongs to "${owner}"; leave it out, or give "${owner}" these fields`;
    return [{ path: [name, "aliases", index], message }];
  });
}

function laidOver(base: CatalogueFile, own: CatalogueFile): CatalogueFile {
  const changed = Object.entries(own).map(([name, entry]): [string, CatalogueFileEntry] => {
    const before = entry.like === undefined && Object.hasOwn(base, name) ? base[name] : undefined;
    return [name, before === undefined ? entry : merged(before, entry)];
  });
  // Names such as "constructor" are names like any other.
  return Object.assign(Object.create(null) as CatalogueFile, base, Object.fromEntries(changed));
}

/** An entry with everything that it has from the one it is like. */
function resolved(name: string, all: CatalogueFile): CatalogueFileEntry {
  const entry = all[name] ?? {};
  if (entry.like === undefined) return entry;
  // These tell one name from another.
  const { snapshot: _, aliases: __, weights: ___, gguf: ____, ...base } = resolved(entry.like, all);
  return merged(base, entry);
}

function merged(base: CatalogueFileEntry, entry: CatalogueFileEntry): CatalogueFileEntry {
  const sampling = { ...base.sampling, ...entry.sampling };
  return { ...base, ...entry, ...(Object.keys(sampling).length > 0 && { sampling }) };
}

function entryFrom(name: string, entry: CatalogueFileEntry): CatalogueEntry {
  const { context, max_input_tokens: input, max_output_tokens: output, weights } = entry;
  return {
    name,
    aliases: entry.aliases ?? [],
    completions: entry.completions ?? true,
    partial: entry.partial ?? true,
    contextTokens: context ?? Number.POSITIVE_INFINITY,
    maxInputTokens: input ?? Number.POSITIVE_INFINITY,
    maxOutputTokens: output ?? Number.POSITIVE_INFINITY,
    defaults: samplingFrom(entry.sampling),
    ...present({
      snapshot: entry.snapshot,
      gguf: entry.gguf ?? (weights === undefined ? undefined : `${weights}-GGUF`),
      source: entry.source,
      date: entry.date,
    }),
  };
}
