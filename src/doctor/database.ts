import type { Config } from "../config/config.ts";
import { placeOf, tryStore } from "../db/open.ts";
import { type Finding, ok, problem, reasonOf } from "./finding.ts";

/** Opens the database that a server would use, and reads from it. One that is not there yet is the data folder's matter. */
export async function examineDatabase(config: Pick<Config, "dataDir" | "database">): Promise<Finding> {
  const place = placeOf(config);
  try {
    const found = await tryStore(config);
    return ok("database", found === "there" ? place : `${place} (not there yet)`);
  } catch (error) {
    return problem("database", reasonOf(error), "mend it, or choose another one with `database:` or --data-dir");
  }
}
