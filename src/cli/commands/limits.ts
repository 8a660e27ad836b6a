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
A limit is for one model, as clients call it, or for all models together that fit a pattern, in which * stands for any
text; '*' alone is for everything that the workspace calls. Where several fit, all of them hold. A request that a limit
refuses is answered with 429, and takes nothing from any limit. Tokens are those of prompt and answer; a month is one of
the calendar, in UTC.
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
    .summary("say how much a workspace may use")
    .description("Bounds the requests and tokens of a workspace, lists the limits, and removes them.")
    .addHelpText("after", EXAMPLES);
  const workspace = ["<workspace>", "its name or id"] as const;
  withAdministrationOptions(limits.command("set").description("Sets limits; what is not named stays as it is."))
    .argument(...workspace)
    .argument("<models...>", "names or patterns")
    .option("--requests <n>", "requests per minute, or none", figure)
    .option("--tokens <n>", "tokens per minute, or none", figure)
    .option("--concurrent <n>", "requests at the same time, or none", figure)
    .option("--monthly-tokens <n>", "tokens per calendar month, or none", figure)
    .option("--smooth", "a second may have a sixtieth of what a minute may have")
    .option("--no-smooth", "a minute may be used up at once")
    .action((named: string, models: readonly string[], flags: SetFlags) => {
      const set = figuresOf(flags);
      return change(
        named,
        models.map((pattern) => ({ pattern, set })),
        flags,
      );
    });
  withAdministrationOptions(limits.command("remove").description("Removes limits, as they were written."))
    .argument(...workspace)
    .argument("<models...>", "names or patterns")
    .action((named: string, models: readonly string[], flags: AdministrationFlags) =>
      change(
        named,
        models.map((pattern) => ({ pattern, remove: true as const })),
        flags,
      ),
    );
  withAdministrationOptions(limits.command("list").description("Lists limits, and what is taken of them now."))
    .argument("[workspace]", "the only one to list")
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
