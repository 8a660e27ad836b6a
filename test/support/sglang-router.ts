/** SGLang's own router, in front of servers that speak OpenAI's API. */
import { join } from "node:path";
import { freePort } from "./llama-server.ts";
import { answersAt, pythonEnvironment, type StartedServer, startServerProgram } from "./python-server.ts";

const START_TIMEOUT_MS = 120_000;

/** Sends every request to the next of the workers. Resolves when all are in use. */
export async function startSglangRouter(workers: readonly string[]): Promise<StartedServer> {
  const environment = pythonEnvironment("sglang-router", ["sglang-router==0.3.2"]);
  const [port, metricsPort] = [await freePort(), await freePort()];
  return await startServerProgram({
    name: "sglang-router",
    program: join(environment, "bin", "sglang-router"),
    args: [
      ...["launch", "--host", "127.0.0.1", "--port", String(port), "--policy", "round_robin"],
      ...["--prometheus-host", "127.0.0.1", "--prometheus-port", String(metricsPort)],
      ...["--worker-startup-check-interval", "1", "--worker-urls", ...workers],
    ],
    url: `http://127.0.0.1:${port}`,
    isReady: async (url) => (await answersAt("/readiness")(url)) && (await healthyWorkers(url)) === workers.length,
    startTimeoutMs: START_TIMEOUT_MS,
  });
}

async function healthyWorkers(url: string): Promise<number> {
  const response = await fetch(`${url}/readiness`);
  const { healthy_workers: healthy = 0 } = (await response.json()) as { readonly healthy_workers?: number };
  return healthy;
}
