import type { Command } from "commander";
import { loadCatalogue, loadDataDir } from "../../config/load.ts";
import { BUILT_IN_NAME, builtInModel } from "../../models/built-in.ts";
import { sizeText } from "../../models/bytes.ts";
import type { Catalogue, CatalogueEntry } from "../../models/catalog.ts";
import { pullableNames } from "../../models/reference.ts";
import { ModelStore, type StoredModel } from "../../models/store.ts";
import { ggufName } from "../../models/variant.ts";
import { oneLine } from "../../visible.ts";
import { aligned, jsonText } from "../listing.ts";
import { outputTo } from "../terminal.ts";

interface ModelsFlags {
  readonly available?: boolean;
  readonly catalogue?: boolean;
  readonly json?: boolean;
  readonly dataDir?: string;
  readonly config?: string;
}

const EXAMPLES = `
Examples:
  $ continuo models
  $ continuo models --available
  $ continuo models --catalogue --config continuo.yaml
  $ continuo models --json | jq -r '.models[].file'`;

/** Adds `continuo models` to the program. */
export function addModelsCommand(program: Command): void {
  program
    .command("models")
    .summary("list the models on disk")
    .description("Lists pulled models, the model in the package, and incomplete downloads.")
    .option("--available", "list the catalogue names that can be pulled")
    .option("--catalogue", "list all catalogue names with their limits and source")
    .option("--json", "print JSON")
    .option("--data-dir <dir>", "directory for the database and pulled models")
    .option("--config <file>", "YAML configuration, for its data_dir and catalogue")
    .addHelpText("after", EXAMPLES)
    .action(run);
}

async function run(flags: ModelsFlags): Promise<void> {
  const store = new ModelStore(loadDataDir(flags));
  const output = outputTo(process.stdout);
  await output.write(modelsText(store, flags, builtInModel(), () => loadCatalogue(flags)));
  output.end();
}

type BuiltIn = ReturnType<typeof builtInModel>;

/** What the command prints. */
export function modelsText(
  store: ModelStore,
  flags: Pick<ModelsFlags, "available" | "catalogue" | "json">,
  builtIn: BuiltIn,
  catalogue: () => Catalogue,
): string {
  if (flags.catalogue === true) return known(catalogue(), flags);
  return flags.available === true ? available(store, catalogue(), flags) : present(store, flags, builtIn);
}

function present(store: ModelStore, { json }: ModelsFlags, builtIn: BuiltIn): string {
  const models = store.list();
  const leftovers = store.leftovers();
  const damaged = store.damaged();
  const links = store.links();
  if (json === true) {
    return jsonText({
      directory: store.path,
      models: models.map(({ manifest, file, sizeBytes }) => ({ ...manifest, file, sizeBytes })),
      ...(builtIn !== undefined && { builtIn: { name: BUILT_IN_NAME, ...builtIn } }),
      incomplete: leftovers.map(({ name, path, sizeBytes }) => ({ name, file: path, sizeBytes })),
      damaged,
      links,
    });
  }
  const table = models.length === 0 && builtIn === undefined ? "" : tableOf(models, builtIn);
  const none = models.length === 0 ? `No models in ${store.path}; get one with \`continuo pull\`.\n` : "";
  const incomplete = leftovers.map(
    ({ name, sizeBytes }) =>
      `incomplete: ${name}, ${sizeText(sizeBytes)} so far; pull it again to go on, or remove it with \`continuo rm --parts\`\n`,
  );
  const broken = damaged.map(
    ({ name, files }) =>
      `damaged: ${name} lacks ${files.map(missingText).join(", ")}; pull it again, or remove it with \`continuo rm ${name}\`\n`,
  );
  const ignored = links.map(
    (path) => `ignored: ${oneLine(path)} is a symbolic link, and links in the store are not followed\n`,
  );
  return [table, none, ...incomplete, ...broken, ...ignored].join("");
}

/** `shard 2 of 3 (NAME)`, or the name. */
function missingText(file: string): string {
  const { shard } = ggufName(file) ?? {};
  return shard === undefined ? file : `shard ${shard.number} of ${shard.count} (${file})`;
}

function tableOf(models: readonly StoredModel[], builtIn: BuiltIn): string {
  return aligned([
    ["NAME", "SIZE", "QUANTISATION", "SOURCE", "FILE"],
    ...models.map(({ manifest, file, sizeBytes }) => [
      manifest.name,
      sizeText(sizeBytes),
      manifest.quantization ?? "-",
      manifest.source,
      file,
    ]),
    ...(builtIn === undefined ? [] : [[BUILT_IN_NAME, sizeText(builtIn.sizeBytes), "-", "the package", builtIn.file]]),
  ]);
}

function available(store: ModelStore, catalogue: Catalogue, { json }: ModelsFlags): string {
  const names = pullableNames(catalogue).map((each) => ({ ...each, isHere: store.find(each.name) !== undefined }));
  if (json === true) return jsonText({ available: names });
  return aligned([
    ["NAME", "REPOSITORY", ""],
    ...names.map(({ name, repository, isHere }) => [name, repository, isHere ? "here" : ""]),
  ]);
}

function known({ entries }: Catalogue, { json }: ModelsFlags): string {
  if (json === true) return jsonText({ catalogue: entries.map(withoutInfinity) });
  const limit = (tokens: number): string => (Number.isFinite(tokens) ? String(tokens) : "-");
  return aligned([
    ["NAME", "COMPLETIONS", "PARTIAL", "CONTEXT", "INPUT", "OUTPUT", "SOURCE"],
    ...entries.map((each) => [
      each.name,
      each.completions ? "yes" : "no",
      each.partial ? "yes" : "no",
      limit(each.contextTokens),
      limit(each.maxInputTokens),
      limit(each.maxOutputTokens),
      [each.source ?? "-", ...(each.date === undefined ? [] : [each.date])].join(", "),
    ]),
  ]);
}

/** JSON has no infinity; a limit that is not there is none. */
function withoutInfinity(entry: CatalogueEntry): object {
  return Object.fromEntries(Object.entries(entry).filter(([, value]) => value !== Number.POSITIVE_INFINITY));
}
