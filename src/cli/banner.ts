/** What `continuo serve` says once it is up. */
import type { Config, FileModel } from "../config/config.ts";
import { fileModels } from "../config/models.ts";
import { isSocketPath } from "../config/socket-path.ts";
import { placeOf } from "../db/open.ts";
import { BUILT_IN_FILE } from "../models/built-in.ts";
import type { RunningModel, RunningServer } from "../server.ts";

/** What the banner tells of a server. */
export type Announced = Pick<RunningServer, "url" | "models" | "memory" | "isOpen" | "device">;

/** Lines without line ends: who answers to what, where, in how much memory, and a request to try. */
export function banner(config: Config, server: Announced): readonly string[] {
  const { device, isOpen } = server;
  const models = server.models();
  const configured = fileModels(config);
  return [
    ...models.flatMap((served) => ["", served.name, ...describe(served, config)]),
    ...(models.length === 0 ? ["", ...withoutModel()] : []),
    ...(configured.length > 0 ? ["", memoryLine(server)] : []),
    ...(device.fellBack ? [`Attention: ${device.note}`] : []),
    ...mappingLines(config),
    ...(configured.length > 0 && configured.every(isBuiltIn) ? ["", ...withoutLargerModel()] : []),
    "",
    ...(isOpen && config.database !== "memory" ? [...withoutKey(config), ""] : []),
    ...addressLines(config, server),
    "",
    ...sampleRequest(config, server),
    "",
  ];
}

/** Where it listens, and who may call from elsewhere. */
function addressLines({ host, socketMode, allowedHosts }: Config, { url, isOpen }: Announced): string[] {
  const key = isOpen ? "" : "a key is needed; ";
  const socket = isSocketPath(host);
  const place = socket ? `mode 0${socketMode.toString(8).padStart(3, "0")}` : `reference: ${url}/docs`;
  const strangers =
    isOpen && !socket && allowedHosts.length > 0
      ? [`Attention: everyone who reaches the server as ${allowedHosts.join(", ")} may call it without a key.`]
      : [];
  return [...strangers, `Listening on ${url} (${key}${place}). Ctrl-C stops. Try:`];
}

function describe(served: RunningModel, config: Config): string[] {
  const { name, health, elsewhere, replicas } = served;
  if (replicas !== undefined)
    return [`  answered by ${replicas.join(", ")}: ${health.detail}`, ...standInLine(name, config)];
  const isElsewhere = elsewhere !== undefined;
  const unable = isElsewhere ? "cannot be reached yet" : "cannot be served";
  const lines =
    health.state === "failed" ? [`  ${unable}: ${health.detail}`] : isElsewhere ? about(served) : aboutLocal(served);
  if (isElsewhere) lines.unshift(`  ${elsewhere.kind} at ${elsewhere.url}`);
  else if (health.state === "failed") return lines;
  if (fileModels(config).some((model) => model.name === name && isBuiltIn(model))) {
    lines.push("  comes with Continuo: small and fast, for first steps and tests; check what it writes");
  }
  return [...lines, ...standInLine(name, config)];
}

function standInLine(name: string, config: Config): string[] {
  if (config.strict || name !== standInName(config)) return [];
  return [
    "  stands in for every catalogue name without a mapping (qwen-plus, qwen2.5-coder-…); disable with strict: true",
  ];
}

function about({ health }: RunningModel): string[] {
  return [`  ${health.detail}`];
}

function aboutLocal({ slots, health, facts }: RunningModel): string[] {
  if (facts === undefined) return [`  ${stateText(health)}`];
  const { model, memoryBytes = 0 } = facts;
  const abilities = [
    model.fim === undefined ? "no fill-in-the-middle" : `fill-in-the-middle (${model.fim})`,
    model.chat ? "chat and Partial Mode" : "no chat",
  ];
  const room = `${counted(slots ?? 1, "slot")} of ${model.contextTokens} tokens, about ${mebibytes(memoryBytes)}`;
  return [`  ${stateText(health)}, ${room}`, `  ${abilities.join(", ")}`];
}

function stateText({ state }: RunningModel["health"]): string {
  if (state === "unloaded") return "loaded on first use";
  return state === "loading" ? "being loaded" : "loaded";
}

function memoryLine({ memory, device }: Announced): string {
  const { takenBytes, budgetBytes } = memory();
  return `Memory: about ${mebibytes(takenBytes)} of ${mebibytes(budgetBytes)} in use. Computing on ${device.fellBack ? "the processor" : device.note}.`;
}

/** Who answers to names without a mapping (docs/wire.md 1.2a); for fill-in-the-middle it may be a later model with a layout. */
function standInName(config: Config): string | undefined {
  return config.defaultModel ?? config.models.find(({ kind }) => kind !== "use")?.name;
}

function mappingLines({ mappings }: Config): string[] {
  if (mappings.size === 0) return [];
  return ["", ...[...mappings].map(([name, target]) => `${name} is answered by ${target}`)];
}

function isBuiltIn({ file }: Pick<FileModel, "file">): boolean {
  return file === BUILT_IN_FILE;
}

function withoutLargerModel(): string[] {
  return [
    "Larger models give better answers. Pulled models are served automatically, before the one in the package:",
    "  continuo pull qwen2.5-coder-1.5b-instruct        (in a clone: npm run continuo -- pull …)",
  ];
}

function withoutKey(config: Config): string[] {
  return [
    "Every program on this machine may call the server without a key. Once you create a key, every request needs one:",
    `  continuo keys create        (in a clone: npm run continuo -- keys create); kept in ${placeOf(config)}`,
  ];
}

function withoutModel(): string[] {
  return [
    "No model: requests get 503. Stop the server and start it with the path of a GGUF file:",
    "  npm start -- --model FILE        (or: continuo serve --model FILE)",
    "or download a model first; pulled models are served automatically:",
    "  continuo pull qwen2.5-coder-1.5b-instruct",
  ];
}

/** Page A's first form: weights with a layout fill it in, all others continue its text. */
function sampleRequest({ strict }: Config, { models, url, isOpen }: Announced): string[] {
  const able = models().filter(({ health }) => health.state !== "failed");
  const own = able.find(({ facts }) => facts?.model.fim !== undefined) ?? able[0];
  const model = strict && own !== undefined ? own.name : "qwen2.5-coder-32b-instruct";
  const body = { model, prompt: "<|fim_prefix|>def quick_sort(arr):<|fim_suffix|>", max_tokens: 64 };
  return [
    `curl ${reachable(url)}/compatible-mode/v1/completions \\`,
    ...(isOpen ? [] : ['  -H "Authorization: Bearer $CONTINUO_API_KEY" \\']),
    '  -H "Content-Type: application/json" \\',
    `  -d '${JSON.stringify(body)}'`,
  ];
}

/** What curl takes; the name behind a socket is made up, and none is looked at. */
function reachable(url: string): string {
  if (!url.startsWith(UNIX)) return url;
  const path = url.slice(UNIX.length);
  const quoted = /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
  return `--unix-socket ${quoted} http://localhost`;
}

const UNIX = "unix:";

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
