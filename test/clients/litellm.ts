/**
 * The LiteLLM proxy 1.108.7 as a peer of the kind `openai`, in front of a stock llama-server on the weights of the embedded
 * engine: greedy texts and ends must be equal, plain and streamed, and so must be usage, except that llama-server counts the
 * token that ends an answer. Then what LiteLLM passes on, and what happens when callers
 * leave and when the server behind it is gone.
 *
 *     npm run build && npx tsx test/clients/litellm.ts
 *
 * Installs LiteLLM under `.cache/litellm`, once: 500 MB.
 */
import { execFileSync } from "node:child_process";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { BUILT_IN_FILE } from "../../src/models/built-in.ts";
import { CHAT, eventually, get, type Json, post } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { LITELLM_KEY, startLiteLlm } from "../support/litellm.ts";
import { type LlamaServer, startLlamaServer } from "../support/llama-server.ts";
import { pythonPackages } from "../support/python-packages.ts";
import type { StartedServer } from "../support/python-server.ts";
import { checkRefusals, compareEngines, peerConfiguration } from "../support/remote-comparison.ts";
import { OPENAI, REMOTE_REQUESTS, TEXT_ONLY } from "../support/remote-requests.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { expectThat, print, Tally } from "../support/tally.ts";

const CONTEXT = 2048;
const ABORT_MS = 2_000;

const tally = new Tally();
const folder = temporaryFolder();
const heard: Json[] = [];
let recorder: Server | undefined;
let behind: LlamaServer | undefined;
let peer: StartedServer | undefined;
let server: RunningServer | undefined;
try {
  const { program, libraries } = pythonPackages().llamaServer;
  const model = join(folder.path, "f32.gguf");
  const env = { ...process.env, LD_LIBRARY_PATH: libraries };
  const quantize = ["--allow-requantize", BUILT_IN_FILE, model, "F32"];
  execFileSync(join(dirname(program), "llama-quantize"), quantize, { env, stdio: "ignore" });
  behind = await startLlamaServer({
    ...{ program, libraries, model },
    args: ["--ctx-size", String(2 * CONTEXT), "--parallel", "2", "--threads", "1", "--slots", "--repeat-penalty", "1"],
  });
  recorder = await startRecorder();
  const { port } = recorder.address() as AddressInfo;
  const bases = { weights: `${behind.url}/v1`, recorded: `http://127.0.0.1:${port}/v1` };
  peer = await startLiteLlm(bases, folder.path);
  print(`LiteLLM took ${(peer.readyMs / 1000).toFixed(0)} s to start`);
  const settings = ", api_key_env: LITELLM_KEY, prefix: partial, fields: [top_k, min_p, repetition_penalty]";
  const config = peerConfiguration(folder.path, {
    ...{ kind: "openai", url: peer.url, model, context: CONTEXT, settings: ", api_key_env: LITELLM_KEY" },
    models: "  recorded: { engine: recorder, model: recorded }\n",
    engines: `  recorder: { kind: openai, url: "${peer.url}"${settings} }\n`,
  });
  server = await startServer({ args: ["--config", config], env: { LITELLM_KEY } });
  const ties = await compareEngines(
    server.url,
    tally,
    REMOTE_REQUESTS.filter(({ name }) => !TEXT_ONLY.has(name)),
    { countsEnd: true },
  );
  await checkRefusals(server.url, tally, TEXT_ONLY, /has no|token ids|control token|partial mode/u);
  await checkWhatPasses(server.url);
  await checkAbort(server.url, behind.url);
  await checkErrors(server.url, behind);
  for (const tie of ties) print(tie);
} catch (error) {
  await tally.check("LiteLLM is installed and answers", () => Promise.reject(error));
} finally {
  await server?.stop();
  await peer?.stop();
  await behind?.stop();
  recorder?.close();
  folder.remove();
}
tally.finish();

/** Keeps what it is asked, and says `ok`. */
async function startRecorder(): Promise<Server> {
  const listening = createServer(async (request, response) => {
    const body = await text(request);
    if (request.method !== "POST") return response.writeHead(404).end();
    heard.push(JSON.parse(body));
    const choice = request.url?.includes("chat") === true ? { delta: { content: "ok" } } : { text: "ok" };
    const chunk = (more: object): string =>
      `data: ${JSON.stringify({ id: "1", created: 1, model: "recorded", object: "chunk", ...more })}\n\n`;
    const ended = { index: 0, ...choice, finish_reason: "stop" };
    const usage = { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 };
    response.writeHead(200, { "content-type": "text/event-stream" });
    return response.end(`${chunk({ choices: [ended] })}${chunk({ choices: [], usage })}data: [DONE]\n\n`);
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return listening;
}

async function checkWhatPasses(url: string): Promise<void> {
  const sampling = { temperature: 0.5, top_k: 3, min_p: 0.1, repetition_penalty: 1.1, seed: 7, presence_penalty: 0.1 };
  await tally.check("LiteLLM passes on an open turn and settings that are not OpenAI's", async () => {
    const messages = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "In spring", partial: true },
    ];
    const { status, text: said } = await post(url, CHAT, { model: "recorded", messages, ...sampling, stop: ["#"] });
    expectThat(status === 200, `${status} ${said}`);
    const body = heard.at(-1);
    expectThat(body.messages.at(-1).partial === true, JSON.stringify(body));
    for (const [name, value] of Object.entries({ ...sampling, stop: ["#"] }))
      expectThat(JSON.stringify(body[name]) === JSON.stringify(value), `${name}: ${JSON.stringify(body)}`);
    return undefined;
  });
  await tally.check("LiteLLM passes on the same beside a prompt", async () => {
    const { status, text: said } = await post(url, OPENAI, { model: "recorded", prompt: "a ", ...sampling });
    expectThat(status === 200, `${status} ${said}`);
    const body = heard.at(-1);
    for (const [name, value] of Object.entries({ ...sampling, prompt: "a " }))
      expectThat(body[name] === value, `${name}: ${JSON.stringify(body)}`);
    return undefined;
  });
}

async function checkAbort(url: string, behindUrl: string): Promise<void> {
  await tally.check("an abort goes through LiteLLM to the server behind it", async () => {
    const leave = new AbortController();
    const body = { model: "elsewhere", prompt: "Tell a long story.\n", max_tokens: 1500, stream: true };
    const answering = post(url, OPENAI, body, {}, leave.signal).catch(() => undefined);
    await eventually("the server is at work", async () => (await busySlots(behindUrl)) === 1);
    const leftMs = performance.now();
    leave.abort();
    await eventually("the server has stopped", async () => (await busySlots(behindUrl)) === 0);
    const ms = Math.round(performance.now() - leftMs);
    await answering;
    expectThat(ms < ABORT_MS, `it worked on for ${ms} ms`);
    return `its slot was free after ${ms} ms`;
  });
}

async function busySlots(url: string): Promise<number> {
  const { json } = await get(url, "/slots");
  return json.filter((slot: Json) => slot.is_processing).length;
}

async function checkErrors(url: string, stopping: LlamaServer): Promise<void> {
  await tally.check("a prompt that is too long is the caller's error", async () => {
    const { status, text: said } = await post(url, OPENAI, { model: "elsewhere", prompt: "a b ".repeat(4_000) });
    expectThat(status === 400, `${status} ${said}`);
    return said.slice(0, 200);
  });
  await tally.check("a server that is gone behind LiteLLM is an error", async () => {
    await stopping.stop();
    const askedMs = performance.now();
    const { status, text: said } = await post(url, OPENAI, { model: "elsewhere", prompt: "Hello", max_tokens: 4 });
    expectThat(status >= 500, `${status} ${said}`);
    return `${status} after ${Math.round(performance.now() - askedMs)} ms: ${said.slice(0, 160)}`;
  });
}
