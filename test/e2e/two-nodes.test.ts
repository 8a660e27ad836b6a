/** Two servers on one PostgreSQL database: limits hold across both, usage is one account, revocation reaches both. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createKey, disableKey } from "../../src/accounts/keys.ts";
import { changeLimits } from "../../src/accounts/limits.ts";
import { usage } from "../../src/accounts/usage.ts";
import { openStore } from "../../src/db/open.ts";
import type { Store } from "../../src/db/schema.ts";
import { checkAccount } from "../support/account-checks.ts";
import { type Answer, COMPLETIONS, eventually, post } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { POSTGRES_SERVER, postgresDatabases } from "../support/stores.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const REQUESTS = 200;

/** Each has a limit of its own. */
const REQUEST_BOUND = "qwen-coder-turbo";
const TOKEN_BOUND = "qwen2.5-coder-7b-instruct";

/** Within this share of itself a limit must hold. */
const TOLERANCE = 0.02;

describe.runIf(POSTGRES_SERVER !== undefined)("two nodes", () => {
  const folder = temporaryFolder();
  const freshDatabase = postgresDatabases();
  let nodes: readonly TinyServer[];
  let store: Store;
  let key: { readonly id: string; readonly secret: string };

  const ada = () => ({ store, actor: "test", now: Date.now });

  beforeAll(async () => {
    const database = await freshDatabase();
    store = await openStore({ dataDir: "", database });
    key = await createKey(ada(), { workspace: "default" });
    await changeLimits(ada(), "default", [
      { pattern: REQUEST_BOUND, set: { requestsPerMinute: 100 } },
      { pattern: TOKEN_BOUND, set: { tokensPerMinute: 900 } },
    ]);
    const config = join(folder.path, "continuo.yaml");
    writeFileSync(config, "limits: { queue_length: 1000 }\n");
    const start = () =>
      startTinyServer({ tiny: {} }, { args: ["--config", config], env: { CONTINUO_DATABASE: database } });
    nodes = await Promise.all([start(), start()]);
  }, 240_000);
  afterAll(async () => {
    await Promise.all((nodes ?? []).map((node) => node.stop()));
    await store?.destroy();
    folder.remove();
  }, 60_000);

  /** The answers to 200 requests at the same time, half of them to each node. */
  const ask = (model: string): Promise<readonly Answer[]> =>
    Promise.all(
      Array.from({ length: REQUESTS }, (_, index) =>
        post(
          nodes[index % 2]?.url ?? "",
          COMPLETIONS,
          { model, prompt: "a", max_tokens: 8 },
          { authorization: `Bearer ${key.secret}` },
        ),
      ),
    );
  const within = (figure: number, expected: number): boolean => Math.abs(figure - expected) <= TOLERANCE * expected;

  /** Waits until all that is over is in the account. */
  const settled = () =>
    eventually("nothing is reserved", async () => {
      const left = await store.selectFrom("reservations").select("id").execute();
      return left.length === 0;
    });

  test("admit as many of 200 parallel requests as the limit has, and count them once", async () => {
    const answers = await ask(REQUEST_BOUND);
    await settled();

    const admitted = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status === 429);
    expect(within(admitted.length, 100), `${admitted.length} of 100`).toBe(true);
    expect(refused).toHaveLength(REQUESTS - admitted.length);
    const tokens = admitted.reduce((sum, { json }) => sum + json.usage.total_tokens, 0);
    const [sum] = (await usage(store, { by: "model" })).filter(({ of }) => of === REQUEST_BOUND);
    expect(sum?.requests).toBe(admitted.length);
    expect((sum?.promptTokens ?? 0) + (sum?.completionTokens ?? 0)).toBe(tokens);
    await checkAccount(store);
  }, 240_000);

  test("use as many tokens as the limit has", async () => {
    const answers = await ask(TOKEN_BOUND);
    await settled();

    const tokens = answers.reduce((sum, { json }) => sum + (json.usage?.total_tokens ?? 0), 0);
    expect(within(tokens, 900), `${tokens} of 900`).toBe(true);
    expect(answers.every(({ status }) => status === 200 || status === 429)).toBe(true);
  }, 240_000);

  test("refuse a key that was disabled", async () => {
    await disableKey(ada(), key.id);

    await eventually("both refuse it", async () => {
      const headers = { authorization: `Bearer ${key.secret}` };
      const body = { model: "tiny", prompt: "a", max_tokens: 1 };
      const answers = await Promise.all(nodes.map(({ url }) => post(url, COMPLETIONS, body, headers)));
      return answers.every(({ status }) => status === 401);
    });
  });
});
