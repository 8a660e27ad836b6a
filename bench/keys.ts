/**
 * What checking a key adds to a request, with many keys and workspaces in the store:
 *
 *     npx tsx bench/keys.ts [--keys 10000] [--workspaces 1000] [--rounds 15] [--requests 300] [--json]
 *
 * Two services in one process answer the same completion from a scripted engine, over HTTP on one connection each: one
 * is open, the other looks every caller up. Every round asks both, in turns, so that both meet the same machine. "one key"
 * is remembered by the server for most requests, as that of a busy client; "any key" takes another one at random each time,
 * which is mostly a look into the store; "first use" besides notes that the key was used, as once a minute for each key.
 * The clock that says what is remembered and when a minute is over counts a thousand requests a second, however fast the
 * machine is.
 */
import { parseArgs } from "node:util";
import { Client } from "undici";
import { digestOf, newId, newSecret } from "../src/accounts/secret.ts";
import { type KeyLookup, StoredKeys } from "../src/accounts/stored-keys.ts";
import { openStore } from "../src/db/open.ts";
import type { Store } from "../src/db/schema.ts";
import { createApp, type Service } from "../src/http/app.ts";
import { authenticatorFor } from "../src/http/auth.ts";
import { completionsProtocol } from "../src/protocols/openai-completions.ts";
import { createLog } from "../src/telemetry/log.ts";
import { Metrics } from "../src/telemetry/metrics.ts";
import { NO_KEYS } from "../test/support/authenticators.ts";
import { temporaryFolder } from "../test/support/files.ts";
import { UNMETERED } from "../test/support/meters.ts";
import { ScriptedEngine, saying, scriptedCard, scriptedDirectory } from "../test/support/scripted-engine.ts";
import { positive } from "./compare-options.ts";
import { markdownTable, median, spread } from "./figures.ts";

const PATH = "/v1/completions";
const BODY = JSON.stringify({ model: "m", prompt: "a", max_tokens: 1 });
/** Rows of one statement; databases bound the values of one. */
const ROWS_AT_ONCE = 500;

const { values } = parseArgs({
  options: {
    keys: { type: "string", default: "10000" },
    workspaces: { type: "string", default: "1000" },
    rounds: { type: "string", default: "15" },
    requests: { type: "string", default: "300" },
    json: { type: "boolean", default: false },
  },
});
const counts = {
  keys: positive(values.keys),
  workspaces: positive(values.workspaces),
  rounds: positive(values.rounds),
  requests: positive(values.requests),
};

/** p50 of one round, ms. */
interface Round {
  readonly without: number;
  readonly with: number;
}

const folder = temporaryFolder();
const store = await openStore({ dataDir: folder.path });
const secrets = await fill(store);
const open = await start(NO_KEYS, true);
const clock = { nowMs: Date.now() };
const closed = await start(new StoredKeys(store, () => clock.nowMs), false);
try {
  for (const secret of secrets) {
    clock.nowMs += 1;
    await timeOf(closed.client, secret);
  }
  const [first = ""] = secrets;
  const anyKey = () => secrets[Math.floor(Math.random() * secrets.length)] ?? first;
  print({
    "one key": await rounds(() => first, 1),
    "any key": await rounds(anyKey, 1),
    "first use": await rounds(anyKey, 60_000),
  });
} finally {
  for (const { service, client } of [open, closed]) {
    await client.close();
    await service.drain(0);
  }
  await store.destroy();
  folder.remove();
}

/** @param stepMs what the clock gains with every request. */
async function rounds(secret: () => string, stepMs: number): Promise<readonly Round[]> {
  const all: Round[] = [];
  for (let count = 0; count <= counts.rounds; count += 1) {
    const without: number[] = [];
    const withKeys: number[] = [];
    for (let request = 0; request < counts.requests; request += 1) {
      const presented = secret();
      clock.nowMs += stepMs;
      const ask = async (client: Client, into: number[]) => void into.push(await timeOf(client, presented));
      const order = [() => ask(open.client, without), () => ask(closed.client, withKeys)];
      for (const next of (count + request) % 2 === 0 ? order : order.reverse()) await next();
    }
    // The first one warms up.
    if (count > 0) all.push({ without: median(without), with: median(withKeys) });
  }
  return all;
}

/** Milliseconds from the request to the end of its answer. */
async function timeOf(client: Client, secret: string): Promise<number> {
  const started = performance.now();
  const { statusCode, body } = await client.request({
    ...{ path: PATH, method: "POST", body: BODY },
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
  });
  await body.text();
  if (statusCode !== 200) throw new Error(`answered with ${statusCode}`);
  return performance.now() - started;
}

async function start(stored: KeyLookup, mayBeOpen: boolean): Promise<{ service: Service; client: Client }> {
  const engine = new ScriptedEngine(() => saying(["a"]));
  const engines = () => [{ name: engine.name, engine }];
  const service = await createApp({
    directory: scriptedDirectory(engine, [scriptedCard("m")]),
    routes: [{ path: PATH, protocol: completionsProtocol("openai") }],
    engines,
    authenticator: authenticatorFor({ configured: [], stored, workspace: "default", mayBeOpen }),
    meter: UNMETERED,
    log: createLog({ level: "silent" }),
    metrics: new Metrics(engines),
    corsOrigins: [],
    version: "0.0.0",
  });
  return { service, client: new Client(await service.app.listen({ port: 0, host: "127.0.0.1" })) };
}

/** Workspaces that are granted `m` among other models, and their keys. */
async function fill(into: Store): Promise<readonly string[]> {
  const created = { created_at_ms: Date.now() };
  const ids = Array.from({ length: counts.workspaces }, () => newId("ws_"));
  const keys = Array.from({ length: counts.keys }, (_, index) => ({
    secret: newSecret(),
    owner: ids[index % ids.length] ?? "",
  }));
  const workspaces = ids.map((id) => ({ id, name: id, ...created, changed_at_ms: 0, deleted_at_ms: null }));
  const grants = ids.flatMap((id) =>
    ["qwen-plus", "qwen2.5-coder-*", "m"].map((pattern) => ({ workspace_id: id, pattern, ...created })),
  );
  const absent = { label: null, expires_at_ms: null, disabled_at_ms: null, deleted_at_ms: null, last_used_at_ms: null };
  const rows = keys.map(({ secret, owner }) => ({
    ...{ id: newId("key_"), workspace_id: owner, ending: secret.slice(-4), ...created, ...absent },
    digest: digestOf(secret).toString("hex"),
  }));
  for (const part of parts(workspaces)) await into.insertInto("workspaces").values(part).execute();
  for (const part of parts(grants)) await into.insertInto("model_grants").values(part).execute();
  for (const part of parts(rows)) await into.insertInto("api_keys").values(part).execute();
  return keys.map(({ secret }) => secret);
}

function parts<Row>(rows: readonly Row[]): readonly Row[][] {
  const starts = Array.from({ length: Math.ceil(rows.length / ROWS_AT_ONCE) }, (_, index) => index * ROWS_AT_ONCE);
  return starts.map((start) => rows.slice(start, start + ROWS_AT_ONCE));
}

function print(measured: Readonly<Record<string, readonly Round[]>>): void {
  if (values.json) {
    console.log(JSON.stringify({ ...counts, measured }, undefined, 2));
    return;
  }
  const number = (title: string) => ({ title, isNumber: true });
  const columns = [
    { title: "caller", isNumber: false },
    ...["open, ms", "with keys, ms", "added, ms", "ratio", "target, ms"].map(number),
  ];
  const rows = Object.entries(measured).map(([caller, all]) => {
    const added = all.map((round) => round.with - round.without);
    const verdict = `< 0.2 ${median(added) < 0.2 ? "met" : "missed"}`;
    return [
      caller,
      spread(all.map(({ without }) => without)),
      spread(all.map((round) => round.with)),
      spread(added),
      spread(all.map((round) => round.with / round.without)),
      verdict,
    ];
  });
  console.log(
    `${counts.keys} keys, ${counts.workspaces} workspaces, ${counts.rounds} rounds of ${counts.requests} requests\n`,
  );
  console.log(markdownTable(columns, rows));
}
