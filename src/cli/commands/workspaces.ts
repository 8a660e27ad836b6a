import type { Command } from "commander";
import { createWorkspace, deleteWorkspace, listWorkspaces, renameWorkspace } from "../../accounts/workspaces.ts";
import {
  type AdministrationFlags,
  asAdministrator,
  print,
  SAFE_BESIDE_A_SERVER,
  tell,
  withAdministrationOptions,
} from "../administration.ts";
import { instantText } from "../listing.ts";
import { say } from "../terminal.ts";

interface DeleteFlags extends AdministrationFlags {
  readonly withKeys?: boolean;
}

const EXAMPLES = `
A workspace owns keys. The default one may call every model, every other one what it was granted (continuo grants).
${SAFE_BESIDE_A_SERVER}

Examples:
  $ continuo workspaces create team
  $ continuo grants add team 'qwen2.5-coder-*'
  $ continuo keys create --workspace team
  $ continuo workspaces rename team crew
  $ continuo workspaces delete crew --with-keys`;

/** Adds `continuo workspaces` to the program. */
export function addWorkspacesCommand(program: Command): void {
  const workspaces = program
    .command("workspaces")
    .summary("create, list, rename and delete workspaces")
    .description("Creates, lists, renames and deletes workspaces. A workspace owns keys.")
    .addHelpText("after", EXAMPLES);
  withAdministrationOptions(workspaces.command("create").description("Creates a workspace without any grants."))
    .argument("<name>", "1 to 30 characters")
    .action(create);
  withAdministrationOptions(workspaces.command("list").description("Lists all workspaces.")).action(list);
  withAdministrationOptions(workspaces.command("rename").description("Renames a workspace."))
    .argument("<workspace>", "its name or id")
    .argument("<name>", "1 to 30 characters")
    .action(rename);
  withAdministrationOptions(workspaces.command("delete").description("Deletes a workspace and its grants permanently."))
    .argument("<workspace>", "its name or id")
    .option("--with-keys", "delete its keys too; without this, a workspace with keys is not deleted")
    .action(remove);
}

async function create(name: string, flags: AdministrationFlags): Promise<void> {
  await asAdministrator(flags, async (administrator, place) => {
    const workspace = await createWorkspace(administrator, name);
    say(`Created the workspace ${name} in ${place}; its id, for the header X-DashScope-WorkSpace:`);
    await print(flags, [[workspace.id]], workspace);
  });
}

async function rename(named: string, name: string, flags: AdministrationFlags): Promise<void> {
  await asAdministrator(flags, async (administrator) => {
    const workspace = await renameWorkspace(administrator, named, name);
    await tell(flags, `Renamed ${workspace.id} to ${name}`, workspace);
  });
}

async function remove(named: string, { withKeys, ...flags }: DeleteFlags): Promise<void> {
  await asAdministrator(flags, async (administrator) => {
    const deleted = await deleteWorkspace(administrator, named, { withKeys: withKeys === true });
    await tell(flags, `Deleted ${deleted.id} and ${deleted.deletedKeys} key(s)`, deleted);
  });
}

async function list(flags: AdministrationFlags): Promise<void> {
  await asAdministrator(flags, async ({ store }) => {
    const workspaces = await listWorkspaces(store);
    const rows = workspaces.map(({ id, name, createdAtMs }) => [id, name, instantText(createdAtMs)]);
    await print(flags, [["ID", "NAME", "CREATED"], ...rows], { workspaces });
  });
}
