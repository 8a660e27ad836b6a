import type { Command } from "commander";
import { createWorkspace, listWorkspaces } from "../../accounts/workspaces.ts";
import {
  type AdministrationFlags,
  asAdministrator,
  print,
  SAFE_BESIDE_A_SERVER,
  withAdministrationOptions,
} from "../administration.ts";
import { instantText } from "../listing.ts";
import { say } from "../terminal.ts";

const EXAMPLES = `
A workspace owns keys. The default one may call every model, every other one what it was granted (continuo grants).
${SAFE_BESIDE_A_SERVER}

Examples:
  $ continuo workspaces create team
  $ continuo grants add team 'qwen2.5-coder-*'
  $ continuo keys create --workspace team`;

/** Adds `continuo workspaces` to the program. */
export function addWorkspacesCommand(program: Command): void {
  const workspaces = program
    .command("workspaces")
    .summary("create and list workspaces")
    .description("Creates and lists workspaces, the owners of keys.")
    .addHelpText("after", EXAMPLES);
  withAdministrationOptions(workspaces.command("create").description("Creates a workspace that may call nothing yet."))
    .argument("<name>", "1 to 30 characters")
    .action(create);
  withAdministrationOptions(workspaces.command("list").description("Lists all workspaces.")).action(list);
}

async function create(name: string, flags: AdministrationFlags): Promise<void> {
  await asAdministrator(flags, async (administrator, place) => {
    const workspace = await createWorkspace(administrator, name);
    say(`Created the workspace ${name} in ${place}; its id, for the header X-DashScope-WorkSpace:`);
    await print(flags, [[workspace.id]], workspace);
  });
}

async function list(flags: AdministrationFlags): Promise<void> {
  await asAdministrator(flags, async ({ store }) => {
    const workspaces = await listWorkspaces(store);
    const rows = workspaces.map(({ id, name, createdAtMs }) => [id, name, instantText(createdAtMs)]);
    await print(flags, [["ID", "NAME", "CREATED"], ...rows], { workspaces });
  });
}
