/**
 * Kills a server (-9) at random moments under load, starts it again, and looks whether the account has every request exactly
 * once and charges it rightly: on the embedded store with one server and, where `CONTINUO_TEST_POSTGRES` names a
 * PostgreSQL server, with two servers on one database.
 *
 *     npm run build && npx tsx test/e2e/kill-node.ts [kills] [seed]
 */
import { randomBytes } from "node:crypto";
import { createParser } from "eventsource-parser";
import pg from "pg";
import { changeLimits } from "../../src/accounts/limits.ts";
import { openStore } from "../../src/db/open.ts";
import type { Store, UsageRecordRow } from "../../src/db/schema.ts";
import { checkAccount, checkFile } from "../support/account-checks.ts";
import { eventually, type Json } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { Random } from "../support/random.ts";
import { expectThat, print, Tally } from "../support/tally.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

/** Streams to each server, and tokens per stream. */
const STREAMS = 6;
const LENGTH = 400;

/** What a crash may lose, ms. */
const CHECKPOINT_MS = 1_000;

const PROMPTS = ["a b c", "def add(a, b):\n", "the rain in the ".repeat(8)];

const [killsText = "10", seedText = "20251111"] = process.argv.slice(2);
const kills = Number(killsText);

/** One request as its client saw it. */
interface Seen {
  /** Absent: no answer came. */
  id?: string;
  readonly prompt: number;
  /** When each token came, epoch milliseconds. */
  readonly tokensAtMs: number[];
  usage?: { readonly prompt_tokens: number; readonly completion_tokens: number };
  /** When its server was killed, if it was before the answer was whole. */
  killedAtMs?: number;
}

const tally = new Tally();
await tally.check("embedded store", onLibsql);
const server = process.env["CONTINUO_TEST_POSTGRES"];
if (server) await tally.check("PostgreSQL, two nodes", () => onPostgres(server));
tally.finish();

async function onLibsql(): Promise<string> {
  const folder = temporaryFolder();
  const store = await openStore({ dataDir: folder.path });
  try {
    const told = await run(store, 1, { CONTINUO_DATA_DIR: folder.path, CONTINUO_DATABASE: "" });
    await checkFile(store);
    return `${told}, integrity check ok`;
  } finally {
    await store.destroy();
    folder.remove();
  }
}

async function onPostgres(server: string): Promise<string> {
  const name = `continuo_kill_${randomBytes(6).toString("hex")}`;
  const command = async (text: string): Promise<void> => {
    const client = new pg.Client({ connectionString: `${server}/postgres` });
    await client.connect();
    await client.query(text).finally(() => client.end());
  };
  await command(`create database ${name}`);
  const store = await openStore({ dataDir: "", database: `${server}/${name}` });
  try {
    return await run(store, 2, { CONTINUO_DATABASE: `${server}/${name}` });
  } finally {
    await store.destroy();
    await command(`drop database ${name} with (force)`);
  }
}

async function run(store: Store, nodeCount: number, env: Readonly<Record<string, string>>): Promise<string> {
  const ada = { store, actor: "kill", now: Date.now };
  await changeLimits(ada, "default", [
    { pattern: "*", set: { monthlyTokens: 1_000_000_000, tokensPerMinute: 100_000_000 } },
    { pattern: "tiny", set: { concurrentRequests: 1_000 } },
  ]);
  const args = ["--slots", String(STREAMS), "--context", "2048", "--log-level", "warn"];
  const start = (): Promise<TinyServer> => startTinyServer({ tiny: {} }, { args, env });
  const random = new Random(Number(seedText));
  const nodes = await Promise.all(Array.from({ length: nodeCount }, start));
  const all: Seen[] = [];
  let cut = 0;
  try {
    const promptTokens = await Promise.all(PROMPTS.map((_, prompt) => tokensOf(nodes, prompt, all)));
    for (let kill = 1; kill <= kills; kill += 1) {
      const victim = Math.floor(random.uniform() * nodeCount);
      const seen = await disturbed(nodes, victim, random);
      const unfinished = seen.filter(({ killedAtMs }) => killedAtMs !== undefined);
      print(`  kill ${kill}: ${unfinished.length} of ${seen.length} requests unfinished`);
      cut += unfinished.length;
      all.push(...seen);
      await nodes[victim]?.stop();
      nodes[victim] = await start();
    }
    await eventually("nothing is reserved", async () => {
      const left = await store.selectFrom("reservations").select("id").execute();
      return left.length === 0;
    });
    return `${kills} kills, ${cut} requests cut, ${check(all, promptTokens, await checkAccount(store))}`;
  } finally {
    await Promise.all(nodes.map((node) => node.stop()));
  }
}

/** What a prompt takes, as an undisturbed request says that is noted in `all`. */
async function tokensOf([node]: readonly TinyServer[], prompt: number, all: Seen[]): Promise<number> {
  const seen: Seen = { prompt, tokensAtMs: [] };
  if (node !== undefined) await ask(node.url, seen, () => undefined);
  all.push(seen);
  return seen.usage?.prompt_tokens ?? Number.NaN;
}

/** All streams, and one kill when a random share of all tokens has arrived. */
async function disturbed(nodes: readonly TinyServer[], victim: number, random: Random): Promise<Seen[]> {
  const threshold = 1 + Math.floor(random.uniform() * 0.9 * nodes.length * STREAMS * LENGTH);
  let arrived = 0;
  let killedAtMs: number | undefined;
  const arrive = (): void => {
    arrived += 1;
    const node = nodes[victim];
    if (arrived < threshold || killedAtMs !== undefined || node === undefined) return;
    killedAtMs = Date.now();
    process.kill(node.pid, "SIGKILL");
  };
  const calls = nodes.flatMap((node, index) =>
    Array.from({ length: STREAMS }, async (_, stream) => {
      const seen: Seen = { prompt: stream % PROMPTS.length, tokensAtMs: [] };
      try {
        await ask(node.url, seen, arrive);
      } catch (error) {
        if (index !== victim || killedAtMs === undefined) throw error;
        seen.killedAtMs = killedAtMs;
      }
      return seen;
    }),
  );
  const seen = await Promise.all(calls);
  expectThat(killedAtMs !== undefined, "the moment never came");
  return seen;
}

async function ask(url: string, seen: Seen, arrive: () => void): Promise<void> {
  const body = {
    ...{ model: "tiny", prompt: PROMPTS[seen.prompt], max_tokens: LENGTH, temperature: 1 },
    ...{ logprobs: 0, stream: true, stream_options: { include_usage: true } },
  };
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (response.status !== 200 || response.body === null) throw new Error(`status ${response.status}`);
  seen.id = response.headers.get("x-request-id") ?? "";
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === "[DONE]") return;
      const event = JSON.parse(data) as Json;
      if (event.error !== undefined) throw new Error(`the stream failed: ${data}`);
      const tokens: readonly string[] = event.choices[0]?.logprobs?.tokens ?? [];
      for (const _ of tokens) seen.tokensAtMs.push(Date.now());
      for (const _ of tokens) arrive();
      seen.usage = event.usage ?? seen.usage;
    },
  });
  for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) parser.feed(bytes);
  if (seen.usage === undefined) throw new Error("the stream ended without its usage");
}

/** Compares what the clients saw with what they are charged for. */
function check(
  all: readonly Seen[],
  promptTokens: readonly number[],
  records: ReadonlyMap<string, UsageRecordRow>,
): string {
  const unanswered = all.filter(({ id }) => id === undefined).length;
  const known = new Set(all.flatMap(({ id }) => id ?? []));
  const strangers = [...records.keys()].filter((id) => !known.has(id));
  expectThat(
    strangers.length <= unanswered,
    `${strangers.length} records for ${unanswered} requests without an answer`,
  );
  for (const id of strangers) expectThat(records.get(id)?.completion_tokens === 0, `${id}: text that nobody got`);
  let estimates = 0;
  let latest = 0;
  for (const seen of all.filter(({ id }) => id !== undefined)) {
    const record = records.get(seen.id ?? "");
    expectThat(record !== undefined, `${seen.id}: no record`);
    if (record === undefined) continue;
    const streamed = seen.tokensAtMs.length;
    const { prompt_tokens, completion_tokens } = record;
    expectThat(prompt_tokens === promptTokens[seen.prompt], `${seen.id}: ${prompt_tokens} prompt tokens`);
    if (record.outcome === "ok") {
      // May be more than what was streamed: a character that the limit cuts is computed and not shown.
      expectThat(completion_tokens === seen.usage?.completion_tokens, `${seen.id}: not what the answer says`);
      continue;
    }
    expectThat(completion_tokens <= streamed, `${seen.id}: ${completion_tokens} charged, ${streamed} streamed`);
    expectThat(record.outcome === "crashed" && record.is_estimate === 1, `${seen.id}: ${record.outcome}`);
    estimates += 1;
    const killedAtMs = seen.killedAtMs ?? Number.POSITIVE_INFINITY;
    const old = seen.tokensAtMs.filter((atMs) => atMs < killedAtMs - CHECKPOINT_MS).length;
    if (seen.killedAtMs !== undefined) {
      expectThat(
        completion_tokens >= old,
        `${seen.id}: ${completion_tokens} charged, ${old} were there a second before`,
      );
    }
    latest = Math.max(latest, streamed - completion_tokens);
  }
  return `${records.size} records for ${all.length} requests, ${estimates} recovered, at most ${latest} tokens each forgiven`;
}
