import { type Command, Option } from "commander";
import {
  createKey,
  DEFAULT_OVERLAP_MS,
  deleteKey,
  disableKey,
  enableKey,
  listKeys,
  type NewKey,
  rotateKey,
} from "../../accounts/keys.ts";
import {
  type AdministrationFlags,
  asAdministrator,
  print,
  SAFE_BESIDE_A_SERVER,
  tell,
  withAdministrationOptions,
} from "../administration.ts";
import { instantText } from "../listing.ts";
import { duration } from "../option-values.ts";
import { say } from "../terminal.ts";

interface CreateFlags extends AdministrationFlags {
  readonly workspace: string;
  readonly label?: string;
  readonly expires?: number;
}

interface RotateFlags extends AdministrationFlags {
  readonly overlap: number;
}

const EXAMPLES = `
A key is shown once, when it is created; only its hash is stored. Until the first key exists, a server on a loopback
address needs no key; deleting the last key does not open it again. A workspace has at most 20 keys.
${SAFE_BESIDE_A_SERVER}

Examples:
  $ continuo keys create --label editor
  $ export CONTINUO_API_KEY=$(continuo keys create --workspace team --expires 90d)
  $ continuo keys list
  $ continuo keys rotate key_abcdefghijklmnop --overlap 1h
  $ continuo keys disable key_abcdefghijklmnop`;

/** Adds `continuo keys` to the program. */
export function addKeysCommand(program: Command): void {
  const keys = program
    .command("keys")
    .summary("create, list and revoke API keys")
    .description("Creates, lists, rotates and revokes API keys.")
    .addHelpText("after", EXAMPLES);
  withAdministrationOptions(keys.command("create").description("Creates a key and prints it. It is shown only once."))
    .option("--workspace <name>", "name or id of the workspace that owns the key", "default")
    .option("--label <text>", "label of the key")
    .option("--expires <time>", "lifetime of the key, such as 12h or 90d (default: unlimited)", duration)
    .action(create);
  withAdministrationOptions(keys.command("list").description("Lists keys, without their secrets."))
    .option("--workspace <name>", "list only this workspace (name or id)")
    .action(list);
  withAdministrationOptions(
    keys.command("rotate").description("Creates a replacement for a key, which stays valid for a while."),
  )
    .argument("<id>", "as `continuo keys list` shows it")
    .addOption(
      new Option("--overlap <time>", "how long the old key stays valid")
        .argParser(duration)
        .default(DEFAULT_OVERLAP_MS, "1d"),
    )
    .action(rotate);
  const changes = [
    ["disable", "Disabled", "Disables a key until it is enabled again.", disableKey],
    ["enable", "Enabled", "Enables a disabled key.", enableKey],
    ["delete", "Deleted", "Deletes a key permanently.", deleteKey],
  ] as const;
  for (const [name, done, description, change] of changes) {
    withAdministrationOptions(keys.command(name).description(description))
      .argument("<id>", "as `continuo keys list` shows it")
      .action((id: string, flags: AdministrationFlags) =>
        asAdministrator(flags, async (administrator) => {
          await change(administrator, id);
          await tell(flags, `${done} ${id}`, { id, change: name });
        }),
      );
  }
}

async function create({ workspace, label, expires, ...flags }: CreateFlags): Promise<void> {
  await asAdministrator(flags, async (administrator, place) => {
    const key = await createKey(administrator, {
      workspace,
      ...(label !== undefined && { label }),
      ...(expires !== undefined && { expiresAtMs: administrator.now() + expires }),
    });
    await show(flags, key, place);
  });
}

async function rotate(id: string, { overlap, ...flags }: RotateFlags): Promise<void> {
  await asAdministrator(flags, async (administrator, place) => {
    await show(flags, await rotateKey(administrator, id, overlap), place);
  });
}

/** The key alone goes to standard output, so that a script can take it. */
async function show(flags: AdministrationFlags, { id, secret, expiresAtMs }: NewKey, place: string): Promise<void> {
  const until = expiresAtMs === undefined ? "" : `, valid until ${instantText(expiresAtMs)} UTC`;
  say(`Created ${id}${until}; its hash is kept in ${place}. This is the only time that the key itself is shown:`);
  await print(flags, [[secret]], { id, key: secret, expiresAtMs });
}

async function list({ workspace, ...flags }: AdministrationFlags & { readonly workspace?: string }): Promise<void> {
  await asAdministrator(flags, async (administrator) => {
    const keys = await listKeys(administrator, workspace);
    const rows = keys.map((key) => [
      key.id,
      key.workspace,
      `sk-…${key.ending}`,
      key.state,
      instantText(key.createdAtMs),
      instantText(key.expiresAtMs),
      instantText(key.lastUsedAtMs),
      key.label ?? "-",
    ]);
    await print(flags, [["ID", "WORKSPACE", "KEY", "STATE", "CREATED", "EXPIRES", "LAST USED", "LABEL"], ...rows], {
      keys,
    });
  });
}
