import type { Command } from "commander";
import { addGrants, listGrants, removeGrants } from "../../accounts/grants.ts";
import {
  type AdministrationFlags,
  asAdministrator,
  print,
  SAFE_BESIDE_A_SERVER,
  withAdministrationOptions,
} from "../administration.ts";
import { instantText } from "../listing.ts";

const EXAMPLES = `
A grant is the name of a model, as clients call it, or a pattern in which * stands for any text. What a workspace was
not granted is answered with 403; the default workspace needs no grants.
${SAFE_BESIDE_A_SERVER}

Examples:
  $ continuo grants add team qwen-plus 'qwen2.5-coder-*'
  $ continuo grants list team
  $ continuo grants remove team qwen-plus`;

/** Adds `continuo grants` to the program. */
export function addGrantsCommand(program: Command): void {
  const grants = program
    .command("grants")
    .summary("set which models a workspace may call")
    .description("Grants models to workspaces, lists grants and revokes them.")
    .addHelpText("after", EXAMPLES);
  const workspace = ["<workspace>", "its name or id"] as const;
  withAdministrationOptions(grants.command("add").description("Allows a workspace to call models."))
    .argument(...workspace)
    .argument("<models...>", "names or patterns")
    .action((named: string, models: readonly string[], flags: AdministrationFlags) =>
      change(addGrants, named, models, flags),
    );
  withAdministrationOptions(grants.command("remove").description("Revokes grants, spelled as they were added."))
    .argument(...workspace)
    .argument("<models...>", "names or patterns")
    .action((named: string, models: readonly string[], flags: AdministrationFlags) =>
      change(removeGrants, named, models, flags),
    );
  withAdministrationOptions(grants.command("list").description("Lists grants."))
    .argument("[workspace]", "list only this workspace")
    .action((named: string | undefined, flags: AdministrationFlags) =>
      asAdministrator(flags, ({ store }) => show(flags, store, named)),
    );
}

/** Prints what the workspace is granted from now on. */
async function change(
  make: typeof addGrants | typeof removeGrants,
  workspace: string,
  models: readonly string[],
  flags: AdministrationFlags,
): Promise<void> {
  await asAdministrator(flags, async (administrator) => {
    await make(administrator, workspace, models);
    await show(flags, administrator.store, workspace);
  });
}

async function show(
  flags: AdministrationFlags,
  store: Parameters<typeof listGrants>[0],
  workspace: string | undefined,
): Promise<void> {
  const grants = await listGrants(store, workspace);
  const rows = grants.map((grant) => [grant.workspace, grant.pattern, instantText(grant.createdAtMs)]);
  await print(flags, [["WORKSPACE", "MODELS", "SINCE"], ...rows], { grants });
}
