import { type Command, InvalidArgumentError } from "commander";
import { changeLimits, type LimitChange, type LimitFigures, listLimits, MAX_FIGURE } from "../../accounts/limits.ts";
import {
  type AdministrationFlags,
  asAdministrator,
  print,
  SAFE_BESIDE_A_SERVER,
  withAdministrationOptions,
} from "../administration.ts";
import { wholeNumber } from "../option-values.ts";

interface SetFlags extends AdministrationFlags {
  readonly requests?: number | null;
  readonly tokens?: number | null;
  readonly concurrent?: number | null;
  readonly monthlyTokens?: number | null;
  readonly smooth?: boolean;
}

const EXAMPLES = `
A limit applies to one model name, or to all models that match a pattern together; * matches any text, so '*' covers
everything the workspace calls. If several limits match, all of them apply. A request over a limit gets 429 and does not
count against any limit. Tokens are those of prompt and answer; a month is a calendar month in UTC.
${SAFE_BESIDE_A_SERVER}

Examples:
  $ continuo limits set team qwen-plus --requests 60 --tokens 100000
  $ continuo limits set team '*' --concurrent 4 --monthly-tokens 50000000
  $ continuo limits set team qwen-plus --tokens none
  $ continuo limits list team
  $ continuo limits remove team qwen-plus`;

/** Adds `continuo limits` to the program. */
export function addLimitsCommand(program: Command): void {
  const limits = program
    .command("limits")
    .summary("set how much a workspace may use")
    .description("Sets, lists and removes limits on the requests and tokens of a workspace.")
    .addHelpText("after", EXAMPLES);
  const workspace = ["<workspace>", "its name or id"] as const;
  withAdministrationOptions(
    limits.command("set").description("Sets limits; limits that are not named stay as they are."),
  )
    .argument(...workspace)
    .argument("<models...>", "names or patterns")
    .option("--requests <n>", "requests per minute, or none", figure)
    .option("--tokens <n>", "tokens per minute, or none", figure)
    .option("--concurrent <n>", "requests at the same time, or none", figure)
    .option("--monthly-tokens <n>", "tokens per calendar month, or none", figure)
    .option("--smooth", "also limit every second to a sixtieth of the minute")
    .option("--no-smooth", "allow the limit of a minute to be used at once")
    .action((named: string, models: readonly string[], flags: SetFlags) => {
      const set = figuresOf(flags);
      return change(
        named,
        models.map((pattern) => ({ pattern, set })),
        flags,
      );
    });
  withAdministrationOptions(limits.command("remove").description("Removes limits, spelled as they were set."))
    .argument(...workspace)
    .argument("<models...>", "names or patterns")
    .action((named: string, models: readonly string[], flags: AdministrationFlags) =>
      change(
        named,
        models.map((pattern) => ({ pattern, remove: true as const })),
        flags,
      ),
    );
  withAdministrationOptions(limits.command("list").description("Lists limits and their current use."))
    .argument("[workspace]", "list only this workspace")
    .action((named: string | undefined, flags: AdministrationFlags) =>
      asAdministrator(flags, (administrator) => show(flags, administrator, named)),
    );
}

function figure(text: string): number | null {
  if (text === "none") return null;
  const value = wholeNumber(1)(text);
  if (value <= MAX_FIGURE) return value;
  throw new InvalidArgumentError(`Expected an integer of at most ${MAX_FIGURE}, or none.`);
}

function figuresOf({ requests, tokens, concurrent, monthlyTokens, smooth }: SetFlags): Partial<LimitFigures> {
  return {
    ...(requests !== undefined && { requestsPerMinute: requests }),
    ...(tokens !== undefined && { tokensPerMinute: tokens }),
    ...(concurrent !== undefined && { concurrentRequests: concurrent }),
    ...(monthlyTokens !== undefined && { monthlyTokens }),
    ...(smooth !== undefined && { smoothed: smooth }),
  };
}

/** Prints the limits of the workspace from now on. */
async function change(workspace: string, changes: readonly LimitChange[], flags: AdministrationFlags): Promise<void> {
  await asAdministrator(flags, async (administrator) => {
    await changeLimits(administrator, workspace, changes);
    await show(flags, administrator, workspace);
  });
}

async function show(
  flags: AdministrationFlags,
  administrator: Parameters<typeof listLimits>[0],
  workspace: string | undefined,
): Promise<void> {
  const limits = await listLimits(administrator, workspace);
  const bound = (value: number | null): string => (value === null ? "-" : String(value));
  const rows = limits.map((limit) => [
    limit.workspace,
    limit.pattern,
    bound(limit.requestsPerMinute),
    bound(limit.tokensPerMinute),
    bound(limit.concurrentRequests),
    bound(limit.monthlyTokens),
    limit.smoothed ? "yes" : "-",
    String(limit.running),
    String(limit.tokensThisMonth),
  ]);
  const heading = [
    ...["WORKSPACE", "MODELS", "REQUESTS/MIN", "TOKENS/MIN", "CONCURRENT", "TOKENS/MONTH", "SMOOTH"],
    ...["RUNNING", "TOKENS THIS MONTH"],
  ];
  await print(flags, [heading, ...rows], { limits });
}
