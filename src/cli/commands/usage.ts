import { type Command, Option } from "commander";
import { USAGE_GROUPS, type UsageGroup, type UsageSum, usage } from "../../accounts/usage.ts";
import { type AdministrationFlags, asAdministrator, print, withAdministrationOptions } from "../administration.ts";
import { instant } from "../option-values.ts";

interface UsageFlags extends AdministrationFlags {
  readonly by: UsageGroup;
  readonly since?: number;
  readonly until?: number;
  readonly workspace?: string;
}

const EXAMPLES = `
Every admitted request counts when it has ended, including aborted requests and those of a server that crashed.
EST is the number of requests with estimated tokens, because the engine could not report its own count.
Times are UTC. Usage is stored by the hour, so times are rounded to whole hours that contain them.
The server can keep running.

Examples:
  $ continuo usage --by model
  $ continuo usage --by day --since 30d --workspace team
  $ continuo usage --by key --since 2026-01-01 --until 2026-02-01 --json`;

/** Adds `continuo usage` to the program. */
export function addUsageCommand(program: Command): void {
  const command = program
    .command("usage")
    .summary("report requests and tokens")
    .description("Reports the number of requests and their tokens.")
    .addHelpText("after", EXAMPLES);
  withAdministrationOptions(command)
    .addOption(new Option("--by <what>", "group by").choices([...USAGE_GROUPS]).default("model"))
    .option("--since <time>", "from this time on: 2026-01-31, 2026-01-31T12:00Z, or 30d ago", instant)
    .option("--until <time>", "before this time (default: until now)", instant)
    .option("--workspace <name>", "count only this workspace (name or id)")
    .action(show);
}

async function show({ by, since, until, workspace, ...flags }: UsageFlags): Promise<void> {
  await asAdministrator(flags, async ({ store }) => {
    const sums = await usage(store, {
      by,
      ...(since !== undefined && { sinceMs: since }),
      ...(until !== undefined && { untilMs: until }),
      ...(workspace !== undefined && { workspace }),
    });
    const heading = [by.toUpperCase(), "REQUESTS", "EST", "PROMPT", "CACHED", "COMPLETION", "TOTAL"];
    const rows = sums.map((sum) => [titleOf(sum), ...figuresOf(sum)]);
    await print(flags, [heading, ...rows, ["total", ...figuresOf(totalOf(sums))]], { by, usage: sums });
  });
}

function titleOf({ of, name }: UsageSum): string {
  return [of ?? "-", ...(name === undefined || name === of ? [] : [`(${name})`])].join(" ");
}

function figuresOf(sum: Omit<UsageSum, "of">): readonly string[] {
  const { requests, estimates, promptTokens, cachedPromptTokens, completionTokens } = sum;
  const total = promptTokens + completionTokens;
  return [requests, estimates, promptTokens, cachedPromptTokens, completionTokens, total].map(String);
}

function totalOf(sums: readonly UsageSum[]): Omit<UsageSum, "of"> {
  const total = (figure: (sum: UsageSum) => number): number => sums.reduce((all, each) => all + figure(each), 0);
  return {
    requests: total((sum) => sum.requests),
    estimates: total((sum) => sum.estimates),
    promptTokens: total((sum) => sum.promptTokens),
    cachedPromptTokens: total((sum) => sum.cachedPromptTokens),
    completionTokens: total((sum) => sum.completionTokens),
  };
}
