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
Every request that was admitted counts, once it is over: also those that were cut, and those of a server that crashed.
EST is how many of them have tokens that were only seen, because the engine did not get to say its own count.
Times are UTC. Usage is kept by the hour, so times count from the hour in which they lie, and to its end.
The server need not be stopped.

Examples:
  $ continuo usage --by model
  $ continuo usage --by day --since 30d --workspace team
  $ continuo usage --by key --since 2026-01-01 --until 2026-02-01 --json`;

/** Adds `continuo usage` to the program. */
export function addUsageCommand(program: Command): void {
  const command = program
    .command("usage")
    .summary("sum up requests and tokens")
    .description("Sums up the requests that were answered, and their tokens.")
    .addHelpText("after", EXAMPLES);
  withAdministrationOptions(command)
    .addOption(new Option("--by <what>", "what to sum up by").choices([...USAGE_GROUPS]).default("model"))
    .option("--since <time>", "from this time on: 2026-01-31, 2026-01-31T12:00Z, or 30d ago", instant)
    .option("--until <time>", "before this time (default: until now)", instant)
    .option("--workspace <name>", "name or id of the only workspace that counts")
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
