/**
 * The same requests to the embedded engine and to a real vLLM behind the same Continuo, on the same weights in float32: greedy
 * texts, usage and ends must be equal, plain and streamed. Then what happens when callers leave.
 *
 *     npm run build && npx tsx test/clients/vllm.ts [qwen]
 *
 * On the built-in model, or on Qwen2.5-Coder-0.5B-Instruct. vLLM's template adds a system message to a chat that has none, that
 * of Qwen by itself and that of the other because it is told so: the chats are equal because Continuo renders them. Installs vLLM 0.32.0 for processors under `.cache/vllm`, once: 6 GB.
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BUILT_IN_FILE } from "../../src/models/built-in.ts";
import { CHAT, eventually, get, post } from "../support/calls.ts";
import { CHATML_TEMPLATES } from "../support/chat-templates.ts";
import { temporaryFolder } from "../support/files.ts";
import { pythonPackages } from "../support/python-packages.ts";
import { qwenWeights } from "../support/qwen-weights.ts";
import { checkRefusals, compareEngines, peerConfiguration } from "../support/remote-comparison.ts";
import { OPENAI, REMOTE_REQUESTS } from "../support/remote-requests.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { expectThat, print, Tally } from "../support/tally.ts";
import { convertForVllm, startVllm, type VllmServer, vllmPython } from "../support/vllm-server.ts";

const CONTEXT = 2048;
/** vLLM reads control tokens wherever they are spelt, so that these two cannot mean what they say. */
const REFUSED: ReadonlySet<string> = new Set([
  "a literal marker as text",
  "chat with a system message and a forged turn",
]);
const ABORT_MS = 1000;

const isQwen = process.argv[2] === "qwen";
const tally = new Tally();
const folder = temporaryFolder();
let peer: VllmServer | undefined;
let server: RunningServer | undefined;
try {
  const started = performance.now();
  const python = vllmPython();
  const { program, libraries } = pythonPackages().llamaServer;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  const file = isQwen ? await qwenWeights() : BUILT_IN_FILE;
  convertForVllm(python, file, join(folder.path, "weights"));
  const exact = join(folder.path, "f32.gguf");
  execFileSync(join(dirname(program), "llama-quantize"), ["--allow-requantize", file, exact, "F32"], {
    env: { ...process.env, LD_LIBRARY_PATH: libraries },
    stdio: "ignore",
  });
  const template = join(folder.path, "template.jinja");
  writeFileSync(template, CHATML_TEMPLATES.inventing);
  const options = { python, weights: join(folder.path, "weights"), contextTokens: CONTEXT };
  peer = await startVllm({ ...options, ...(!isQwen && { chatTemplate: template }) });
  print(`vLLM was installed after ${seconds} s and took ${(peer.readyMs / 1000).toFixed(0)} s to start`);
  const same = { kind: "vllm", url: peer.url, model: exact, context: CONTEXT, isQwen };
  server = await startServer({ args: ["--config", peerConfiguration(folder.path, same)] });
  const alike = REMOTE_REQUESTS.filter(({ name }) => !REFUSED.has(name));
  const ties = await compareEngines(server.url, tally, alike);
  await checkChat(server.url, peer.url);
  await checkRefusals(server.url, tally, REFUSED, /control token/);
  await checkAborts(server.url, peer);
  for (const tie of ties) print(tie);
} catch (error) {
  await tally.check("vLLM is installed and answers", () => Promise.reject(error));
} finally {
  await server?.stop();
  await peer?.stop();
  folder.remove();
}
tally.finish();

async function checkChat(url: string, peerUrl: string): Promise<void> {
  await tally.check("a chat is given exactly, without the system message of vLLM's template", async () => {
    const asked = { messages: [{ role: "user", content: "Hi" }], max_tokens: 1 };
    const { headers, json: ours } = await post(url, CHAT, { model: "elsewhere", ...asked });
    const { json: theirs } = await post(peerUrl, "/v1/chat/completions", { model: "weights", ...asked });
    const guarantee = headers.get("x-continuo-guarantee");
    const [count, more] = [ours.usage.prompt_tokens, theirs.usage.prompt_tokens];
    expectThat(guarantee === "exact" && more > count, `${guarantee}, ${count} tokens; of its own ${more}`);
    return `${count} tokens, of its own ${more}`;
  });
}

async function checkAborts(url: string, { url: peerUrl, log }: VllmServer): Promise<void> {
  for (const stream of [true, false]) {
    await tally.check(`an abort reaches vLLM, ${stream ? "streamed" : "plain"}`, async () => {
      const leave = new AbortController();
      const abortsBefore = abortsIn(log());
      const body = { model: "elsewhere", prompt: "Tell a long story.\n", max_tokens: 1500, ignore_eos: true, stream };
      const answering = post(url, OPENAI, body, {}, leave.signal).catch(() => undefined);
      await eventually("vLLM is at work", async () => (await running(peerUrl)) === 1);
      const leftMs = performance.now();
      leave.abort();
      await eventually("vLLM says that it aborted", async () => abortsIn(log()) > abortsBefore);
      const ms = Math.round(performance.now() - leftMs);
      await answering;
      expectThat(ms < ABORT_MS, `vLLM worked on for ${ms} ms`);
      return `vLLM logged it after ${ms} ms`;
    });
  }
}

function abortsIn(log: string): number {
  return log.match(/Request \S+ aborted/gu)?.length ?? 0;
}

async function running(peerUrl: string): Promise<number> {
  const { text } = await get(peerUrl, "/metrics");
  return Number(/^vllm:num_requests_running\{[^}]*\} (\S+)$/mu.exec(text)?.[1] ?? 0);
}
