import { type Migration, Migrator } from "kysely";
import { StoreFailure } from "./failure.ts";
import { up as accounts } from "./migrations/0001-accounts.ts";
import { up as limitsAndUsage } from "./migrations/0002-limits-and-usage.ts";
import { up as deletedWorkspaces } from "./migrations/0003-deleted-workspaces.ts";
import type { Store } from "./schema.ts";

/** In order. One that was released never changes. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  "0001-accounts": { up: accounts },
  "0002-limits-and-usage": { up: limitsAndUsage },
  "0003-deleted-workspaces": { up: deletedWorkspaces },
};

/**
 * Brings the tables to where this program wants them. Several processes may do it at once: one does the work, the
 * others wait.
 */
export async function migrate(db: Store): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => MIGRATIONS } });
  const { error } = await migrator.migrateToLatest();
  if (error instanceof Error && /previously executed migration \S+ is missing/.test(error.message)) {
    const advice = "start that one, or choose another database";
    throw new StoreFailure("unavailable", `the database was written by a newer version of Continuo; ${advice}`, error);
  }
  if (error !== undefined) throw error;
}
