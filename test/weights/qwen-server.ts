/** Our server with the weights that the pages name, one thread, as the tests here share it. */
import { QWEN_NAME, qwenWeights } from "../support/qwen-weights.ts";
import { type RunningServer, startServer } from "../support/server.ts";

/**
 * @param args further arguments of `continuo serve`
 * @param file another model, under the same name
 */
export async function startQwen(args: readonly string[] = [], file?: string): Promise<RunningServer> {
  const model = file ?? (await qwenWeights());
  return startServer({ models: [`${QWEN_NAME}=${model}`], args: ["--context", "2048", ...args] });
}
