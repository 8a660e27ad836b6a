/**
 * Kills the engine process (-9) at random moments while eight streams run, and compares every text with the undisturbed run.
 *
 *     npm run build && npx tsx test/e2e/kill.ts [moments] [seed]
 *
 * Deterministic mode: all texts must be equal. Default mode: no error and no gap; the share of equal texts is printed.
 * Reads the process tree with `ps`.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { createParser } from "eventsource-parser";
import { type Json, metric } from "../support/calls.ts";
import { Random } from "../support/random.ts";
import { expectThat, print, Tally } from "../support/tally.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const STREAMS = 8;
/** Tokens per stream, and how many of them must be different, so that a text says something. */
const LENGTH = 320;
const MIN_DISTINCT = 50;
/** Of the moments, how many must find this many streams unfinished. */
const MIN_UNFINISHED = 4;
const MIN_SHARE = 0.9;

const [momentsText = "50", seedText = "20251111"] = process.argv.slice(2);
const moments = Number(momentsText);
/** Default mode promises less, and a few kills show how often it keeps more. */
const DEFAULT_MODE_PART = 5;

interface Watched {
  readonly text: string;
  readonly tokens: readonly string[];
  readonly finishReason: string | null;
  readonly completionTokens: number;
}

const tally = new Tally();
await tally.check("deterministic mode", () => run("deterministic", moments));
await tally.check("default mode", () => run("default", Math.ceil(moments / DEFAULT_MODE_PART)));
tally.finish();

async function run(mode: "deterministic" | "default", moments: number): Promise<string> {
  const flags = mode === "deterministic" ? ["--deterministic"] : [];
  const args = [...flags, "--slots", String(STREAMS), "--context", "2048", "--log-level", "warn"];
  const server = await startTinyServer({ tiny: {} }, { args });
  try {
    const reference = await all(server, () => undefined);
    for (const [index, { tokens }] of reference.entries()) {
      const distinct = new Set(tokens).size;
      print(`  stream ${index}: ${tokens.length} tokens, ${distinct} distinct`);
      expectThat(tokens.length >= LENGTH && distinct >= MIN_DISTINCT, "the text is too dull to compare");
    }
    const random = new Random(Number(seedText));
    let equal = 0;
    let busyKills = 0;
    for (let moment = 1; moment <= moments; moment += 1) {
      const { texts, unfinished } = await disturbed(server, random);
      if (unfinished >= MIN_UNFINISHED) busyKills += 1;
      const same = texts.filter(({ text }, index) => text === reference[index]?.text).length;
      equal += same;
      print(`  kill ${moment}: ${unfinished} streams unfinished, ${same} of ${STREAMS} texts equal`);
      for (const { finishReason, completionTokens } of texts) {
        expectThat(finishReason === "length" && completionTokens === LENGTH, `a stream ended early: ${finishReason}`);
      }
      expectThat(mode === "default" || same === STREAMS, "a text differs from the undisturbed run");
    }
    expectThat(busyKills >= moments * MIN_SHARE, `only ${busyKills} of ${moments} kills met ${MIN_UNFINISHED} streams`);
    const restarts = await metric(server.url, "continuo_engine_restarts_total");
    const resumed = await metric(server.url, "continuo_engine_resumed_requests_total");
    expectThat(restarts >= moments, `${restarts} restarts for ${moments} kills`);
    expectThat(resumed >= busyKills * MIN_UNFINISHED, `only ${resumed} requests were carried over a restart`);
    const share = `${equal} of ${moments * STREAMS} texts equal (${((100 * equal) / (moments * STREAMS)).toFixed(1)} %)`;
    return `${moments} kills, ${busyKills} with ${MIN_UNFINISHED} or more streams unfinished, ${resumed} streams resumed, ${share}`;
  } finally {
    await server.stop();
  }
}

/** One round: all streams, and one kill when a random share of all tokens has arrived. */
async function disturbed(server: TinyServer, random: Random): Promise<{ texts: Watched[]; unfinished: number }> {
  const threshold = Math.floor(random.uniform() * 0.95 * STREAMS * LENGTH);
  let arrived = 0;
  let finished = 0;
  let kill: Promise<number> | undefined;
  const texts = await all(server, (part) => {
    if (part === "end") finished += 1;
    else arrived += part;
    if (arrived >= threshold) kill ??= killEngine(server.pid).then(() => STREAMS - finished);
  });
  expectThat(kill !== undefined, "the moment never came");
  return { texts, unfinished: (await kill) ?? 0 };
}

/** Half of the streams greedy, half seeded; different prompts. `watch` is told of tokens as they arrive, and of ends. */
function all(server: TinyServer, watch: (part: number | "end") => void): Promise<Watched[]> {
  return Promise.all(
    Array.from({ length: STREAMS }, (_, index) => {
      const prompt = `<|fim_prefix|># stream ${index}\n${"value = compute(value)\n".repeat(4 * index)}<|fim_suffix|>`;
      const sampling = index % 2 === 0 ? { temperature: 0 } : { temperature: 1, top_p: 0.95, seed: 1000 + index };
      return stream(server.url, { model: "tiny", prompt, max_tokens: LENGTH, ...sampling }, watch);
    }),
  );
}

async function stream(url: string, body: object, watch: (part: number | "end") => void): Promise<Watched> {
  const asked = { ...body, logprobs: 0, stream: true, stream_options: { include_usage: true } };
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${url}/v1/completions`, { method: "POST", headers, body: JSON.stringify(asked) });
  const seen = { text: "", tokens: [] as string[], finishReason: null as string | null, completionTokens: 0 };
  const take = (data: string): void => {
    if (data === "[DONE]") return;
    const event = JSON.parse(data) as Json;
    if (event.error !== undefined) throw new Error(`the stream failed: ${data}`);
    const [choice] = event.choices;
    const tokens: string[] = choice?.logprobs?.tokens ?? [];
    seen.text += choice?.text ?? "";
    seen.tokens.push(...tokens);
    seen.finishReason ??= choice?.finish_reason ?? null;
    seen.completionTokens = event.usage?.completion_tokens ?? seen.completionTokens;
    watch(tokens.length);
  };
  const parser = createParser({ onEvent: ({ data }) => take(data) });
  if (response.status !== 200 || response.body === null) throw new Error(`status ${response.status}`);
  for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) parser.feed(bytes);
  watch("end");
  return seen;
}

/** Kills the server's child, which is its engine. */
async function killEngine(server: number): Promise<void> {
  const { stdout } = await promisify(execFile)("ps", ["-A", "-o", "pid=,ppid="]);
  const rows = stdout
    .trim()
    .split("\n")
    .map((row) => row.trim().split(/\s+/).map(Number));
  const child = rows.find(([, parent]) => parent === server)?.[0];
  if (child === undefined) throw new Error("the server has no engine process");
  process.kill(child, "SIGKILL");
}
