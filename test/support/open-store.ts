/** Opens the store in the folder given as the first argument, writes one row, and ends: one of several processes. */
import { createWorkspace } from "../../src/accounts/workspaces.ts";
import { openStore } from "../../src/db/open.ts";

const [dataDir = "", name = ""] = process.argv.slice(2);
const store = await openStore({ dataDir });
await createWorkspace({ store, actor: name, now: Date.now }, name);
await store.destroy();
