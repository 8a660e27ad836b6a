import { type Command, Option } from "commander";
import { isBaseUrl } from "../../config/engine-schema.ts";
import { fillsBy, type Peer } from "../../engines/remote/peer.ts";
import { type Found, NothingFound, probeAddress } from "../../engines/remote/probe-address.ts";
import { ENGINE_KINDS } from "../../engines/remote/registry.ts";
import { CommandFailure } from "../failure.ts";
import { outputTo } from "../terminal.ts";

interface ProbeFlags {
  readonly kind?: string;
  readonly model?: string;
  readonly apiKeyEnv?: string;
  readonly json?: boolean;
}

/** Milliseconds for all questions. */
const PATIENCE_MS = 30_000;

/** Adds `continuo engine probe` to `continuo engine`. */
export function addProbeCommand(engine: Command): void {
  engine
    .command("probe")
    .description("Shows what an engine elsewhere can do.")
    .argument("<url>", "base URL, such as http://127.0.0.1:8080")
    .addOption(
      new Option("--kind <kind>", "what it is (default: the first kind that recognizes it)").choices(ENGINE_KINDS),
    )
    .option("--model <name>", "its name of the model (default: the first that it lists)")
    .option("--api-key-env <variable>", "environment variable with its key")
    .option("--json", "print JSON")
    .action(probe);
}

async function probe(url: string, { kind, model, apiKeyEnv, json }: ProbeFlags): Promise<void> {
  if (!isBaseUrl(url)) throw new CommandFailure(`expected http://HOST:PORT or https://HOST/PATH, found "${url}"`);
  const apiKey = apiKeyEnv === undefined ? undefined : process.env[apiKeyEnv];
  if (apiKeyEnv !== undefined && (apiKey ?? "") === "")
    throw new CommandFailure(`the environment has no variable ${apiKeyEnv}; set it to the key of the engine`);
  const found = await foundAt(url, kind, { ...(apiKey !== undefined && { apiKey }) }, model);
  const output = outputTo(process.stdout);
  await output.write(json === true ? `${JSON.stringify(facts(found), null, 2)}\n` : report(url, found));
  output.end();
}

async function foundAt(
  url: string,
  kind: string | undefined,
  key: { readonly apiKey?: string },
  model: string | undefined,
): Promise<Found> {
  const about = model === undefined ? {} : { model };
  try {
    return await probeAddress({ name: url, url, ...key }, kind, about, AbortSignal.timeout(PATIENCE_MS));
  } catch (error) {
    if (!(error instanceof NothingFound)) throw error;
    throw new CommandFailure(`nothing that Continuo knows answers at ${url}:\n${error.message}`);
  }
}

function facts({ kind, peer }: Found) {
  const { model, program, contextTokens, vocabularySize, slots, chat, chatPrefix, vocabulary } = peer;
  return {
    kind,
    program,
    model,
    context_tokens: contextTokens ?? null,
    vocabulary_size: vocabularySize ?? null,
    slots: slots ?? null,
    fim: fillsBy(peer) ?? null,
    chat,
    partial: chatPrefix,
    takes_token_ids: vocabulary !== undefined,
  };
}

/** A line for each fact, then the way to use it. */
function report(url: string, found: Found): string {
  const { kind, peer } = found;
  const lines: readonly (readonly [string, string])[] = [
    ["kind", `${kind} (${peer.program})`],
    ["model", peer.model],
    ["context", peer.contextTokens === undefined ? "it does not tell" : `${peer.contextTokens} tokens`],
    ["prompts", peer.vocabulary === undefined ? "as text" : "as token ids"],
    ["fill-in-the-middle", fimText(peer)],
    ["chat", peer.chat ? "yes" : "no"],
    ["Partial Mode", peer.chatPrefix ? "yes" : "no; `prefix:` in the configuration says how it takes one"],
  ];
  const width = Math.max(...lines.map(([what]) => what.length));
  const table = lines.map(([what, said]) => `${what.padEnd(width)}  ${said}`);
  return [...table, "", `Use it: continuo serve --engine ${kind}=${url}`, ""].join("\n");
}

function fimText(peer: Peer): string {
  const fim = fillsBy(peer);
  if (fim !== undefined) return fim;
  return peer.vocabulary === undefined
    ? "not known; `fim:` in the configuration names the layout"
    : "no layout in its vocabulary";
}
