/** What `continuo serve` says once it is up. */
import type { Config } from "../config/config.ts";
import type { RunningModel } from "../server.ts";

/** Lines without line ends: who answers to what, where, and a request to try. */
export function banner(config: Config, models: readonly RunningModel[], url: string): readonly string[] {
  return [
    ...models.flatMap((served) => ["", served.name, ...describe(served, config)]),
    ...config.models
      .filter(({ name }) => !models.some((served) => served.name === name))
      .flatMap(({ name }) => ["", ...failure(name)]),
    ...(config.models.length === 0 ? ["", ...withoutModel()] : []),
    ...mappingLines(config),
    "",
    `Listening on ${url}${config.apiKeys.length > 0 ? " (a key is needed)" : ""}. Ctrl-C stops. Try:`,
    "",
    ...sampleRequest(config, models, url),
    "",
  ];
}

function describe({ name, slots, model }: RunningModel, config: Config): string[] {
  const abilities = [
    model.fim === undefined ? "no fill-in-the-middle" : `fill-in-the-middle (${model.fim})`,
    model.chat ? "chat and Partial Mode" : "no chat",
  ];
  const size = `  ${counted(slots, "slot")} of ${model.contextTokens} tokens`;
  const lines = [size, `  ${abilities.join(", ")}`];
  if (!config.strict && name === standInName(config)) {
    lines.push(
      "  stands in for every catalogue name without a mapping (qwen-plus, qwen2.5-coder-…); strict: true turns that off",
    );
  }
  return lines;
}

/** Who answers to names without a mapping (contract 1.2a); for fill-in-the-middle it may be a later model with a layout. */
function standInName({ defaultModel, models }: Config): string | undefined {
  return defaultModel ?? models[0]?.name;
}

function mappingLines({ mappings }: Config): string[] {
  if (mappings.size === 0) return [];
  return ["", ...[...mappings].map(([name, target]) => `${name} is answered by ${target}`)];
}

function failure(name: string): string[] {
  return [name, "  cannot be served; the log says why"];
}

function withoutModel(): string[] {
  return [
    "No model: requests are answered with 503. Stop this and start again with the path of a GGUF file:",
    "  npm start -- --model FILE        (or: continuo serve --model FILE)",
  ];
}

/** Page A's first form: weights with a layout fill it in, all others continue its text. */
function sampleRequest({ strict, apiKeys }: Config, models: readonly RunningModel[], url: string): string[] {
  const own = models.find(({ model }) => model.fim !== undefined) ?? models[0];
  const model = strict && own !== undefined ? own.name : "qwen2.5-coder-32b-instruct";
  const body = { model, prompt: "<|fim_prefix|>def quick_sort(arr):<|fim_suffix|>", max_tokens: 64 };
  return [
    `curl ${url}/compatible-mode/v1/completions \\`,
    ...(apiKeys.length > 0 ? ['  -H "Authorization: Bearer $CONTINUO_API_KEY" \\'] : []),
    '  -H "Content-Type: application/json" \\',
    `  -d '${JSON.stringify(body)}'`,
  ];
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
