import type { Command } from "commander";
import { loadDataDir } from "../../config/load.ts";
import { nearest } from "../../config/nearest.ts";
import { BUILT_IN_NAME } from "../../models/built-in.ts";
import { sizeText } from "../../models/bytes.ts";
import { diskFailure } from "../../models/disk-failure.ts";
import { ModelFailure } from "../../models/failure.ts";
import { takeLock } from "../../models/lock.ts";
import { isModelName, ModelStore } from "../../models/store.ts";
import { say } from "../terminal.ts";

interface RmFlags {
  readonly parts?: boolean;
  readonly dataDir?: string;
  readonly config?: string;
}

const EXAMPLES = `
There is no confirmation. A running server keeps loaded models until it stops.

Examples:
  $ continuo rm qwen2.5-coder-7b-instruct
  $ continuo rm --parts`;

/** Adds `continuo rm` to the program. */
export function addRmCommand(program: Command): void {
  program
    .command("rm")
    .summary("remove models from disk")
    .description("Removes pulled models and their incomplete downloads.")
    .argument("[names...]", "as `continuo models` lists them")
    .option("--parts", "remove incomplete downloads")
    .option("--data-dir <dir>", "directory for the database and pulled models")
    .option("--config <file>", "YAML configuration, for its data_dir")
    .addHelpText("after", EXAMPLES)
    .action(run);
}

async function run(names: readonly string[], flags: RmFlags): Promise<void> {
  await removeModels(new ModelStore(loadDataDir(flags)), names, flags, say);
}

/** Removes nothing when one of the names is unknown. Throws `ModelFailure`. */
export async function removeModels(
  store: ModelStore,
  names: readonly string[],
  flags: Pick<RmFlags, "parts">,
  say: (line: string) => void,
): Promise<void> {
  if (names.length === 0 && flags.parts !== true) {
    throw new ModelFailure("expected names of models, or --parts; `continuo models` lists what is here", "usage");
  }
  for (const name of names) if (isModelName(name)) store.assertNoLinks(name);
  const unknown = names.find((name) => !store.names().includes(name));
  if (unknown !== undefined) throw notHere(unknown, store);
  for (const name of names) say(await remove(name, store));
  if (flags.parts === true) say(await removeParts(store));
}

function notHere(name: string, store: ModelStore): ModelFailure {
  if (name === BUILT_IN_NAME) {
    const advice = "`built_in: false` in the configuration keeps it from being served";
    return new ModelFailure(`${name} is a part of the package and stays; ${advice}`, "usage");
  }
  const meant = nearest(name, store.names());
  const advice = meant === undefined ? "`continuo models` lists what is here" : `did you mean ${meant}?`;
  return new ModelFailure(`there is no model ${name} in ${store.path}; ${advice}`, "usage");
}

async function remove(name: string, store: ModelStore): Promise<string> {
  const freedBytes = store.freedBytes(name);
  await exclusively(name, store, () => store.remove(name));
  return `Removed ${name}; ${sizeText(freedBytes)} freed.`;
}

async function removeParts(store: ModelStore): Promise<string> {
  const leftovers = store.leftovers();
  let freedBytes = 0;
  for (const leftover of leftovers) {
    await exclusively(leftover.name, store, () => store.removeLeftover(leftover));
    freedBytes += leftover.sizeBytes;
  }
  if (leftovers.length === 0) return `No incomplete downloads in ${store.path}.`;
  const what = leftovers.length === 1 ? "one incomplete file" : `${leftovers.length} incomplete files`;
  return `Removed ${what}; ${sizeText(freedBytes)} freed.`;
}

async function exclusively(name: string, store: ModelStore, work: () => Promise<void>): Promise<void> {
  const lock = await takeLock(store.lockFile(name));
  if (lock === undefined) {
    throw new ModelFailure(`${name} is being pulled at this moment; stop that first (Ctrl-C), or wait for its end`);
  }
  try {
    await work();
  } catch (error) {
    throw diskFailure(error, store.folder(name));
  } finally {
    await lock.release();
    await store.forgetEmpty(name);
  }
}
