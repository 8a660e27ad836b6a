/** Bodies of the administration API. Instants are epoch milliseconds, as `continuo … --json` prints them. */
import { z } from "zod";

/** A hundred years. */
const LONGEST_LIFE_MS = 3_155_760_000_000;

/** Most models of one change, and most characters of a name or an id; what is behind has smaller bounds of its own. */
const MOST_MODELS = 100;
const LONGEST_TEXT = 200;

/** No control characters: one of the databases refuses the first of them. */
function line(what: string): z.ZodString {
  const error = `expected ${what}: a text of 1 to ${LONGEST_TEXT} characters on one line`;
  return z.string({ error }).regex(new RegExp(`^[^\\p{C}]{1,${LONGEST_TEXT}}$`, "u"), { error });
}

function integer(what: string, least: number, most: number): z.ZodInt {
  const error = `expected ${what} as an integer from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

const id = line("the id of a key").describe("Of a key; never the key itself");
const workspace = line("a workspace").describe("Name or id");
const models = z
  .array(line("a model"), { error: "expected a list of models" })
  .min(1, { error: "expected at least one model" })
  .max(MOST_MODELS, { error: `expected at most ${MOST_MODELS} models` })
  .describe("Names, or patterns in which `*` stands for any text");
const name = line("a name").describe("1 to 30 characters");

/** Far beyond any use, and below 2^53. */
const MOST_FIGURE = 1_000_000_000_000;

const figure = integer("a number, or null for no bound,", 1, MOST_FIGURE)
  .nullish()
  .describe("null: no bound; absent: as before");

/** In a query. */
const instantText = z
  .string({ error: "expected one instant" })
  .regex(/^\d{1,14}$/, { error: "expected epoch milliseconds" })
  .optional();

export const adminInputs = {
  none: z.strictObject({}),
  workspaceCreation: z.strictObject({ name }).meta({ id: "WorkspaceCreation" }),
  workspaceChange: z.strictObject({ workspace, name }),
  workspaceDeletion: z.strictObject({
    workspace,
    withKeys: z
      .enum(["true", "false"], { error: "expected true or false" })
      .optional()
      .describe("`true`: its keys are deleted too; else a workspace that has keys stays"),
  }),
  oneWorkspace: z.strictObject({ workspace: workspace.optional().describe("The only one to list; absent: all") }),
  keyCreation: z
    .strictObject({
      workspace: workspace.optional().describe("Name or id; absent: the default workspace"),
      label: line("a label").optional().describe("What it is for; at most 100 characters"),
      expiresInMs: integer("milliseconds", 1, LONGEST_LIFE_MS).optional().describe("Time to live; absent: it stays"),
    })
    .meta({ id: "KeyCreation" }),
  key: z.strictObject({ id }),
  keyRotation: z.strictObject({
    id,
    overlapMs: integer("milliseconds", 0, LONGEST_LIFE_MS)
      .optional()
      .describe("Time for which the old key stays valid, never longer than before; absent: a day"),
  }),
  grants: z.strictObject({ workspace, models }),
  limits: z
    .strictObject({
      ...{ workspace, models },
      requestsPerMinute: figure,
      tokensPerMinute: figure.describe("Prompt and answer together; null: no bound; absent: as before"),
      concurrentRequests: figure,
      monthlyTokens: figure.describe("Per calendar month, UTC; null: no bound; absent: as before"),
      smoothed: z
        .boolean({ error: "expected true or false" })
        .optional()
        .describe("Every second may have a sixtieth of the minute's"),
    })
    .meta({ id: "LimitChange" }),
  usage: z.strictObject({
    by: z
      .enum(["model", "key", "day", "workspace"], { error: "expected model, key, day or workspace" })
      .optional()
      .describe("What to sum up by; absent: model"),
    sinceMs: instantText.describe("Epoch milliseconds; absent: from the beginning"),
    untilMs: instantText.describe("Epoch milliseconds; absent: until now"),
    workspace: workspace.optional().describe("The only one that counts; absent: all"),
  }),
  audit: z.strictObject({
    last: z
      .string({ error: "expected one number" })
      .regex(/^([1-9]\d{0,2}|1000)$/, { error: "expected an integer from 1 to 1000" })
      .optional()
      .describe("How many; absent: 50"),
  }),
};

const instant = z.int().describe("Epoch milliseconds");

const workspaceEntry = z.object({ id: z.string(), name: z.string(), createdAtMs: instant }).meta({ id: "Workspace" });

const keyEntry = z
  .object({
    id: z.string(),
    workspaceId: z.string(),
    workspace: z.string().describe("Name of the workspace"),
    label: z.string().optional(),
    ending: z.string().describe("The last characters of the key"),
    state: z.enum(["active", "disabled", "expired"]),
    createdAtMs: instant,
    expiresAtMs: instant.optional(),
    lastUsedAtMs: instant.optional().describe("Within a minute"),
  })
  .meta({ id: "Key" });

const grantEntry = z
  .object({ workspaceId: z.string(), workspace: z.string(), pattern: z.string(), createdAtMs: instant })
  .meta({ id: "Grant" });

const auditRecord = z
  .object({
    atMs: instant,
    actor: z.string().describe("`admin:` and the label of the admin key, or `cli:` and the user"),
    action: z.string().describe("Such as `keys.create`"),
    workspaceId: z.string(),
    subject: z.string().describe("What was changed, such as the id of a key"),
    detail: z.unknown(),
  })
  .meta({ id: "AuditRecord" });

const bound = z.int().nullable();

const limitEntry = z
  .object({
    ...{ id: z.string(), workspaceId: z.string(), workspace: z.string(), pattern: z.string() },
    ...{ requestsPerMinute: bound, tokensPerMinute: bound, concurrentRequests: bound, monthlyTokens: bound },
    smoothed: z.boolean(),
    ...{ createdAtMs: instant, changedAtMs: instant },
    running: z.int().describe("Requests that are running now"),
    tokensThisMonth: z.int(),
  })
  .meta({ id: "Limit" });

const usageSum = z
  .object({
    of: z.string().nullable().describe("Model, id of a key (null: none was needed) or of a workspace, or day"),
    name: z.string().optional().describe("Label of the key, or name of the workspace"),
    requests: z.int(),
    estimates: z.int().describe("Requests that were cut, or whose node crashed"),
    ...{ promptTokens: z.int(), cachedPromptTokens: z.int(), completionTokens: z.int() },
  })
  .meta({ id: "UsageSum" });

export const adminAnswers = {
  workspace: workspaceEntry,
  workspaces: z.object({ workspaces: z.array(workspaceEntry) }).meta({ id: "Workspaces" }),
  workspaceDeleted: z.object({ id: z.string(), deletedKeys: z.int() }).meta({ id: "WorkspaceDeleted" }),
  newKey: z
    .object({
      id: z.string(),
      key: z.string().describe("This is the only time that it is shown"),
      expiresAtMs: instant.optional(),
    })
    .meta({ id: "NewKey" }),
  keys: z.object({ keys: z.array(keyEntry) }).meta({ id: "Keys" }),
  keyChanged: z.object({ id: z.string(), change: z.enum(["disable", "enable", "delete"]) }).meta({ id: "KeyChanged" }),
  grants: z.object({ grants: z.array(grantEntry) }).meta({ id: "Grants" }),
  limits: z.object({ limits: z.array(limitEntry) }).meta({ id: "Limits" }),
  usage: z.object({ by: z.string(), usage: z.array(usageSum) }).meta({ id: "UsageSums" }),
  audit: z.object({ records: z.array(auditRecord) }).meta({ id: "AuditRecords" }),
};
