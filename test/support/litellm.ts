/** The LiteLLM proxy, in front of servers that speak OpenAI's API. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "./llama-server.ts";
import { answersAt, pythonEnvironment, type StartedServer, startServerProgram } from "./python-server.ts";

/** It starts with none. */
export const LITELLM_KEY = "sk-continuo-test-0123456789abcdef";
const START_TIMEOUT_MS = 240_000;

/** @param bases by the name of a model: where it is, with `/v1`. @param folder for its configuration. */
export async function startLiteLlm(bases: Readonly<Record<string, string>>, folder: string): Promise<StartedServer> {
  const environment = pythonEnvironment("litellm", ["litellm[proxy]==1.108.7"]);
  const config = join(folder, "litellm.yaml");
  const models = Object.entries(bases).map(([name, base]) => ({
    model_name: name,
    litellm_params: { model: `openai/${name}`, api_base: base, api_key: "none" },
  }));
  writeFileSync(config, JSON.stringify({ model_list: models })); // JSON is YAML
  const port = await freePort();
  return await startServerProgram({
    name: "LiteLLM",
    program: join(environment, "bin", "litellm"),
    args: ["--config", config, "--host", "127.0.0.1", "--port", String(port)],
    env: { LITELLM_MASTER_KEY: LITELLM_KEY, LITELLM_LOCAL_MODEL_COST_MAP: "True" },
    url: `http://127.0.0.1:${port}`,
    isReady: answersAt("/health/liveliness"),
    startTimeoutMs: START_TIMEOUT_MS,
  });
}
