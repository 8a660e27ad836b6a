import { type RawBuilder, sql } from "kysely";
import type { Store } from "../db/schema.ts";
import { HOUR_MS, hourStartMs } from "./calendar.ts";
import { findWorkspace } from "./workspaces.ts";

export const USAGE_GROUPS = ["model", "key", "day", "workspace"] as const;

export type UsageGroup = (typeof USAGE_GROUPS)[number];

export interface UsageQuery {
  readonly by: UsageGroup;
  /** Epoch milliseconds; the hour in which they lie counts. Absent: from the beginning. */
  readonly sinceMs?: number;
  /** Epoch milliseconds; the hour in which they lie counts, unless they are its beginning. Absent: until now. */
  readonly untilMs?: number;
  /** Name or id of the only workspace that counts. */
  readonly workspace?: string;
}

/** Sums over requests that have ended. */
export interface UsageSum {
  /** The name of a model, the id of a key (null: no key was needed) or of a workspace, or a day such as `2026-01-31`, UTC. */
  readonly of: string | null;
  /** Label of the key or name of the workspace, where there is one. */
  readonly name?: string;
  readonly requests: number;
  /** Requests whose tokens are what was seen of them: they were cut, or their node crashed. */
  readonly estimates: number;
  readonly promptTokens: number;
  /** Those of `promptTokens` that needed no evaluation, as far as engines said. */
  readonly cachedPromptTokens: number;
  readonly completionTokens: number;
}

/** By day in time, else those with most tokens first. Throws `AccountFailure` when there is no such workspace. */
export async function usage(store: Store, query: UsageQuery): Promise<readonly UsageSum[]> {
  const { by, sinceMs, untilMs } = query;
  const workspaceId = query.workspace === undefined ? undefined : (await findWorkspace(store, query.workspace)).id;
  const rows = await store
    .selectFrom("usage_hours")
    .select([
      GROUPS[by].as("of"),
      sum("requests").as("requests"),
      sum("estimates").as("estimates"),
      sum("prompt_tokens").as("promptTokens"),
      sum("cached_prompt_tokens").as("cachedPromptTokens"),
      sum("completion_tokens").as("completionTokens"),
    ])
    .$if(sinceMs !== undefined, (rest) => rest.where("hour_ms", ">=", hourStartMs(sinceMs ?? 0)))
    .$if(untilMs !== undefined, (rest) => rest.where("hour_ms", "<", hourStartMs((untilMs ?? 0) + HOUR_MS - 1)))
    .$if(workspaceId !== undefined, (rest) => rest.where("workspace_id", "=", workspaceId ?? ""))
    .groupBy(GROUPS[by])
    .execute();
  const names = await namesOf(store, by);
  const sums = rows.map(({ of, ...counted }) => {
    const name = names.get(String(of));
    return { of: nameOf(by, of), ...(name !== undefined && { name }), ...counted };
  });
  const tokens = (each: UsageSum): number => each.promptTokens + each.completionTokens;
  const inOrder = (a: UsageSum, b: UsageSum): number => (a.of ?? "").localeCompare(b.of ?? "", "en");
  return sums.sort(by === "day" ? inOrder : (a, b) => tokens(b) - tokens(a) || inOrder(a, b));
}

/** Days are numbered from the epoch. */
const GROUPS: Readonly<Record<UsageGroup, RawBuilder<string | number>>> = {
  model: sql.ref("model"),
  key: sql.ref("key_id"),
  workspace: sql.ref("workspace_id"),
  day: sql`hour_ms / 86400000`,
};

const DAY_MS = 24 * HOUR_MS;

function nameOf(by: UsageGroup, of: string | number): string | null {
  if (by === "day") return new Date(Number(of) * DAY_MS).toISOString().slice(0, 10);
  return of === "" ? null : String(of);
}

function sum(column: string): RawBuilder<number> {
  return sql`cast(sum(${sql.ref(column)}) as bigint)`;
}

async function namesOf(store: Store, by: UsageGroup): Promise<ReadonlyMap<string, string>> {
  if (by === "workspace") {
    const rows = await store.selectFrom("workspaces").select(["id", "name"]).execute();
    return new Map(rows.map(({ id, name }) => [id, name]));
  }
  if (by !== "key") return new Map();
  const rows = await store.selectFrom("api_keys").select(["id", "label"]).where("label", "is not", null).execute();
  return new Map(rows.map(({ id, label }) => [id, label ?? ""]));
}
