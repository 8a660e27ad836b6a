/** Our server with the weights that the pages name, one thread, as the tests here share it. */
import { QWEN_NAME, qwenWeights } from "../support/qwen-weights.ts";
import { type RunningServer, startServer } from "../support/server.ts";

/** @param args further arguments of `continuo serve` */
export async function startQwen(args: readonly string[] = []): Promise<RunningServer> {
  return startServer({ models: [`${QWEN_NAME}=${await qwenWeights()}`], args: ["--context", "2048", ...args] });
}
