/** An editor that asks with every keystroke, with the real engine: what it gets from memory, and whose place it takes. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, COMPLETIONS, eventually, joinedText, metric, post, textOf } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const PATH = "/v1/completions";
const NAMED = { "x-continuo-document": "a.py" };
const PREFIX = "def walk(path):\n    for entry in ";
const greedy = { model: "tiny", suffix: "\n\nwalk('.')\n", temperature: 0, gap_end: false, max_tokens: 24 };

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer();
});
afterAll(() => server?.stop());

const ask = (prompt: string, over: object = {}, headers: Readonly<Record<string, string>> = NAMED): Promise<Answer> =>
  post(server.url, PATH, { ...greedy, prompt, ...over }, headers);

const asked = () => metric(server.url, "continuo_engine_requests_total");

describe("who types along a suggestion", () => {
  test("gets its rest at every character, and the engine is not asked", async () => {
    const suggestion = textOf((await ask(PREFIX)).json);
    const before = await asked();

    for (let typed = 1; typed < suggestion.length; typed += 1) {
      const { headers, json } = await ask(PREFIX + suggestion.slice(0, typed));

      const rest = suggestion.slice(typed);
      expect(headers.get("x-continuo-memory"), `after ${typed} characters`).toMatch(/^(hit|part)$/);
      expect(textOf(json).startsWith(rest), `after ${typed} characters`).toBe(true);
      const { prompt_tokens: prompt, completion_tokens: completion, total_tokens: total } = json.usage;
      expect(total).toBe(prompt + completion);
      expect(completion).toBeLessThanOrEqual(24);
    }
    expect(suggestion.length).toBeGreaterThan(10);
    // Behind a suggestion that its bound has cut the engine goes on, once for each token that is typed.
    expect((await asked()) - before).toBeLessThanOrEqual(24);
  });

  test("gets what a longer answer would have said, when it goes on behind what is known", async () => {
    const prompt = `# another file\n${PREFIX}`;
    const long = textOf((await ask(prompt, { max_tokens: 40 })).json);
    const short = textOf((await ask(prompt, { max_tokens: 8 })).json);
    expect(long.startsWith(short)).toBe(true);

    const { headers, json } = await ask(prompt + long.slice(0, 1), { max_tokens: 40 });

    expect(headers.get("x-continuo-memory")).toBe("part");
    expect(textOf(json).slice(0, long.length - 1)).toBe(long.slice(1));
    expect(json.usage.completion_tokens).toBe(40);
  });

  test("gets a place that it comes back to from memory, as a stream too", async () => {
    const prompt = `# a third file\n${PREFIX}`;
    const plain = await ask(prompt);
    const again = await post(server.url, PATH, { ...greedy, prompt, stream: true }, NAMED);

    expect([plain.headers.get("x-continuo-memory"), again.headers.get("x-continuo-memory")]).toEqual([null, "hit"]);
    const events = again.text.split("\n").filter((line) => line.startsWith("data: {"));
    expect(joinedText(events.map((line) => JSON.parse(line.slice(6)) as unknown))).toBe(textOf(plain.json));
  });

  test("counts in the metrics", async () => {
    const prompt = `# a fourth file\n${PREFIX}`;
    const suggestion = textOf((await ask(prompt)).json);
    const before = await metric(server.url, "continuo_remembered_answers_total");

    await ask(prompt + suggestion.slice(0, 1), { max_tokens: 3 });

    // A request is counted when its answer has left.
    await eventually("the answer is counted", async () => {
      return (await metric(server.url, "continuo_remembered_answers_total")) > before;
    });
    expect(await metric(server.url, "continuo_remembered_bytes")).toBeGreaterThan(suggestion.length);
  });
});

test.each([
  ["a gap", { suffix: greedy.suffix, gap_end: false }],
  ["a text that is continued", {}],
])("%s comes from memory only when a document is named", async (kind, input) => {
  const body = { ...input, model: "tiny", temperature: 0, max_tokens: 12, user: kind };
  const said = textOf((await post(server.url, PATH, { ...body, prompt: PREFIX }, NAMED)).json);
  const next = { ...body, prompt: PREFIX + said.slice(0, 1), max_tokens: 4 };

  expect((await post(server.url, PATH, next)).headers.get("x-continuo-memory")).toBeNull();
  expect((await post(server.url, PATH, next, NAMED)).headers.get("x-continuo-memory")).toBe("hit");
});

test("a newer request of the document ends the older one, whose slot is free", async () => {
  const endless = { model: "tiny", prompt: "Once", temperature: 0, max_tokens: 4000, ignore_eos: true, stream: true };
  const older = await fetch(server.url + PATH, {
    method: "POST",
    headers: { "content-type": "application/json", ...NAMED },
    body: JSON.stringify(endless),
  });

  const newer = await post(server.url, COMPLETIONS, { model: "tiny", prompt: "Twice", max_tokens: 2 }, NAMED);
  const text = await older.text();

  expect(newer.status).toBe(200);
  expect(text).toContain('"finish_reason":"length"');
  expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  await eventually("the slot is free", async () => (await metric(server.url, "continuo_engine_running")) === 0);
  expect(await metric(server.url, "continuo_requests_total", { label: 'outcome="superseded"' })).toBe(1);
});

test("with its switches off a server computes everything and ends nothing", async () => {
  const folder = temporaryFolder();
  const config = join(folder.path, "off.yaml");
  writeFileSync(config, "typing: { memory: false, supersede_document: false }\n");
  const off = await startTinyServer({ tiny: {} }, { args: ["--config", config] });
  try {
    const first = post(off.url, PATH, { ...greedy, prompt: PREFIX, max_tokens: 200 }, NAMED);
    const second = await post(off.url, PATH, { ...greedy, prompt: PREFIX }, NAMED);
    const { json } = await first;
    const typed = await post(off.url, PATH, { ...greedy, prompt: PREFIX + textOf(json).slice(0, 1) }, NAMED);

    expect(json.usage.completion_tokens).toBe(200);
    expect([second, typed].map(({ headers }) => headers.get("x-continuo-memory"))).toEqual([null, null]);
  } finally {
    await off.stop();
    folder.remove();
  }
});
