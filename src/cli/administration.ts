/** What the commands that look after keys, workspaces and grants have in common. */
import { userInfo } from "node:os";
import type { Command } from "commander";
import type { Administrator } from "../accounts/administration.ts";
import { loadStoreLocation } from "../config/load.ts";
import { openStore, placeOf } from "../db/open.ts";
import { CommandFailure, EXIT } from "./failure.ts";
import { aligned, jsonText } from "./listing.ts";
import { outputTo, say } from "./terminal.ts";

export interface AdministrationFlags {
  readonly json?: boolean;
  readonly dataDir?: string;
  readonly config?: string;
}

/** For the help of all of them. */
export const SAFE_BESIDE_A_SERVER = `
The server can keep running: changes take effect within seconds.
Give the same --data-dir and --config as the server, so that both use the same database.`;

export function withAdministrationOptions(command: Command): Command {
  return command
    .option("--json", "print JSON")
    .option("--data-dir <dir>", "directory for the database and pulled models")
    .option("--config <file>", "YAML configuration, for its data_dir and database");
}

/** Runs `work` as the user of this process, and closes the store whatever happens. */
export async function asAdministrator(
  flags: AdministrationFlags,
  work: (administrator: Administrator, place: string) => Promise<void>,
): Promise<void> {
  const location = loadStoreLocation(flags);
  if (location.database === "memory") {
    const advice = "remove it to keep them in a file, or give the URL of a PostgreSQL database";
    throw new CommandFailure(
      `\`database: memory\` keeps no keys, workspaces, grants, limits or usage; ${advice}`,
      EXIT.usage,
    );
  }
  const store = await openStore(location);
  try {
    await work({ store, actor: `cli:${userInfo().username}`, now: Date.now }, placeOf(location));
  } finally {
    await store.destroy();
  }
}

/** @param rows a heading and lines, for people. @param json the same for programs. */
export async function print(
  flags: AdministrationFlags,
  rows: readonly (readonly string[])[],
  json: unknown,
): Promise<void> {
  const output = outputTo(process.stdout);
  await output.write(flags.json === true ? jsonText(json) : aligned(rows));
  output.end();
}

/** @param text what was done, a sentence without its full stop, for people. @param json the same for programs. */
export async function tell(flags: AdministrationFlags, text: string, json: unknown): Promise<void> {
  if (flags.json === true) await print(flags, [], json);
  else say(`${text}.`);
}
