/**
 * SGLang's router 0.3.2 in front of two real vLLM servers, as a peer of the kind `openai`: greedy texts and ends must be equal
 * to the embedded engine's on the same weights, plain and streamed, and so must be usage, except that vLLM counts the token
 * that ends an answer, and that gaps run on behind their end. Then what the router does to requests, and what happens when a worker dies.
 *
 *     npm run build && npx tsx test/clients/sglang-router.ts
 *
 * Installs vLLM under `.cache/vllm` (6 GB) and the router under `.cache/sglang-router` (100 MB), once.
 */
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { BUILT_IN_FILE } from "../../src/models/built-in.ts";
import { post } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { pythonPackages } from "../support/python-packages.ts";
import type { StartedServer } from "../support/python-server.ts";
import { checkRefusals, compareEngines, peerConfiguration } from "../support/remote-comparison.ts";
import { OPENAI, REMOTE_REQUESTS, TEXT_ONLY } from "../support/remote-requests.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { startSglangRouter } from "../support/sglang-router.ts";
import { expectThat, print, Tally } from "../support/tally.ts";
import { convertForVllm, startVllm, type VllmServer, vllmPython } from "../support/vllm-server.ts";

const CONTEXT = 2048;
/** Their ends are tokens that vLLM takes for ends only when it is told ids, and leaves out of the text. */
const GAPS = /^(markers, a gap|suffix field|a gap with its end|repository form)$/u;

const tally = new Tally();
const folder = temporaryFolder();
let workers: readonly VllmServer[] = [];
let router: StartedServer | undefined;
let server: RunningServer | undefined;
try {
  const python = vllmPython();
  const { program, libraries } = pythonPackages().llamaServer;
  const [weights, exact] = [join(folder.path, "weights"), join(folder.path, "f32.gguf")];
  convertForVllm(python, BUILT_IN_FILE, weights);
  execFileSync(join(dirname(program), "llama-quantize"), ["--allow-requantize", BUILT_IN_FILE, exact, "F32"], {
    env: { ...process.env, LD_LIBRARY_PATH: libraries },
    stdio: "ignore",
  });
  const starting = await Promise.allSettled([1, 2].map(() => startVllm({ python, weights, contextTokens: CONTEXT })));
  workers = starting.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
  for (const each of starting) if (each.status === "rejected") throw each.reason;
  router = await startSglangRouter(workers.map(({ url }) => url));
  const ready = [...workers, router].map(({ readyMs }) => (readyMs / 1000).toFixed(0));
  print(`two vLLMs and the router took ${ready.join(", ")} s to start`);
  const config = peerConfiguration(folder.path, {
    ...{ kind: "openai", url: router.url, model: exact, context: CONTEXT },
    settings: ", fields: [top_k, min_p, repetition_penalty]",
    // The router lists workers that are not SGLang's as "unknown".
    name: "weights",
  });
  server = await startServer({ args: ["--config", config] });
  const alike = REMOTE_REQUESTS.filter(({ name }) => !TEXT_ONLY.has(name));
  const ties = await compareEngines(server.url, tally, alike, { countsEnd: true, runsOn: GAPS });
  await checkRefusals(server.url, tally, TEXT_ONLY, /has no|token ids|control token|partial mode/u);
  await checkWorkers(workers);
  await checkRouter(router.url);
  await checkDeath(server.url, workers);
  for (const tie of ties) print(tie);
} catch (error) {
  await tally.check("vLLM and the router are installed and answer", () => Promise.reject(error));
} finally {
  await server?.stop();
  await router?.stop();
  await Promise.all(workers.map((worker) => worker.stop()));
  folder.remove();
}
tally.finish();

async function checkWorkers(all: readonly VllmServer[]): Promise<void> {
  await tally.check("both workers were asked", async () => {
    const counts = all.map((worker) => worker.log().match(/"POST \/v1\/\S*completions/gu)?.length ?? 0);
    expectThat(
      counts.every((count) => count > 5),
      counts.join(" and "),
    );
    return `${counts.join(" and ")} requests`;
  });
}

/** Why the kind `vllm` is none for it. */
async function checkRouter(url: string): Promise<void> {
  await tally.check("the router takes no token ids at the completions route, and has no /tokenize", async () => {
    const ids = await post(url, OPENAI, { model: "weights", prompt: [1604, 803], max_tokens: 1 });
    const tokenize = await post(url, "/tokenize", { model: "weights", prompt: "a" });
    expectThat(ids.status === 422 && tokenize.status === 404, `${ids.status} ${ids.text}, ${tokenize.status}`);
    return undefined;
  });
  await tally.check("the router drops add_generation_prompt, so that vLLM refuses to continue a message", async () => {
    const messages = [
      { role: "user", content: "Hi" },
      { role: "assistant", content: "In spring" },
    ];
    const open = { messages, continue_final_message: true, add_generation_prompt: false };
    const { status, text } = await post(url, "/v1/chat/completions", { model: "weights", ...open, max_tokens: 4 });
    expectThat(status === 400 && text.includes("add_generation_prompt"), `${status} ${text}`);
    return undefined;
  });
}

async function checkDeath(url: string, [dying]: readonly VllmServer[]): Promise<void> {
  await tally.check("a worker that died costs no request", async () => {
    await dying?.stop();
    const body = { model: "elsewhere", prompt: "Hello", max_tokens: 4 };
    for (let asked = 0; asked < 4; asked += 1) {
      const { status, text } = await post(url, OPENAI, body);
      expectThat(status === 200, `${status} ${text}`);
    }
    return undefined;
  });
}
