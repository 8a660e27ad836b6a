import type { Command } from "commander";
import { listAuditRecords } from "../../accounts/audit.ts";
import { type AdministrationFlags, asAdministrator, print, withAdministrationOptions } from "../administration.ts";
import { instantText } from "../listing.ts";
import { wholeNumber } from "../option-values.ts";

interface AuditFlags extends AdministrationFlags {
  readonly last: number;
}

const EXAMPLES = `
Every change of keys, workspaces, grants and limits is recorded. Records contain no keys.

Examples:
  $ continuo audit
  $ continuo audit --last 1000 --json | jq '.records[] | select(.action == "keys.delete")'`;

/** Adds `continuo audit` to the program. */
export function addAuditCommand(program: Command): void {
  const audit = program
    .command("audit")
    .summary("list changes of keys, workspaces, grants and limits")
    .description("Lists changes of keys, workspaces, grants and limits, newest first.");
  withAdministrationOptions(audit)
    .option("--last <n>", "number of changes to list", wholeNumber(1), 50)
    .addHelpText("after", EXAMPLES)
    .action(list);
}

async function list({ last, ...flags }: AuditFlags): Promise<void> {
  await asAdministrator(flags, async ({ store }) => {
    const records = await listAuditRecords(store, last);
    const rows = records.map(({ atMs, actor, action, workspaceId, subject, detail }) => [
      instantText(atMs),
      actor,
      action,
      workspaceId,
      subject,
      JSON.stringify(detail),
    ]);
    await print(flags, [["TIME", "WHO", "WHAT", "WORKSPACE", "SUBJECT", "DETAIL"], ...rows], { records });
  });
}
