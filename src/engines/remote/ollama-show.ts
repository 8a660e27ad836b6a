import { CONTROL_TOKENS } from "../../continuation/input.ts";
import { countIn, isObject, type JsonObject, listIn, objectIn, parsed, textIn } from "./json.ts";
import { PROBE_MS } from "./openai-wire.ts";
import type { RemoteModel } from "./peer.ts";
import type { Upstream } from "./transport.ts";
import { malformed } from "./upstream-error.ts";
import { spellingsToTry } from "./vocabulary.ts";

/** Milliseconds: the vocabulary is read from the model's file and is several megabytes long. */
const SHOW_MS = 60_000;

/** Values of `tokenizer.ggml.token_type`. */
const CONTROL = 3;
const USER_DEFINED = 4;

/** What Ollama tells of a model at `/api/show`. */
export interface Shown {
  readonly capabilities: ReadonlySet<string>;
  readonly template: string;
  /** Absent: the model's file is not one that it tells the vocabulary of. */
  readonly vocabulary?: ShownVocabulary;
  /** What its Modelfile sets. */
  readonly contextTokens?: number;
  readonly stops: readonly string[];
}

export interface ShownVocabulary {
  readonly size: number;
  /** Spellings that a prompt is searched for. */
  readonly controls: ReadonlySet<string>;
  readonly eos: string;
  /** Ollama puts a token of its own before every prompt. */
  readonly addsBos: boolean;
}

/** Throws `ServiceError`, as where there is no such model. */
export async function shown(
  upstream: Upstream,
  model: string,
  about: RemoteModel,
  signal: AbortSignal,
): Promise<Shown> {
  const path = `${upstream.address.root}/api/show`;
  const said = await upstream.json("POST", path, SHOW_MS, signal, { model, verbose: true });
  if (!isObject(said)) throw malformed(upstream.name, "no object at /api/show");
  const parameters = parametersOf(textIn(said, "parameters") ?? "");
  const [contextTokens] = parameters.get("num_ctx") ?? [];
  const vocabulary = vocabularyOf(objectIn(said, "model_info") ?? {}, about);
  return {
    capabilities: new Set((listIn(said, "capabilities") ?? []).map(String)),
    template: textIn(said, "template") ?? "",
    stops: (parameters.get("stop") ?? []).filter((stop) => typeof stop === "string"),
    ...(typeof contextTokens === "number" && { contextTokens }),
    ...(vocabulary !== undefined && { vocabulary }),
  };
}

/** Lines of a name and a value each; a name may stand on several. */
function parametersOf(text: string): ReadonlyMap<string, readonly unknown[]> {
  const found = new Map<string, unknown[]>();
  for (const line of text.split("\n")) {
    const [, name, written = ""] = /^(\S+)\s+(.*)$/u.exec(line.trim()) ?? [];
    const value = parsed(written);
    if (name !== undefined && value !== undefined) found.set(name, [...(found.get(name) ?? []), value.value]);
  }
  return found;
}

function vocabularyOf(info: JsonObject, { fimLayouts }: RemoteModel): ShownVocabulary | undefined {
  const tokens = listIn(info, "tokenizer.ggml.tokens") ?? [];
  const types = listIn(info, "tokenizer.ggml.token_type") ?? [];
  if (tokens.length === 0 || types.length !== tokens.length) return undefined;
  // Some vocabularies have blanks and the like among the user-defined ones.
  const known = new Set(spellingsToTry(fimLayouts));
  const controls = tokens.filter(
    (token, id): token is string =>
      typeof token === "string" && (types[id] === CONTROL || (types[id] === USER_DEFINED && known.has(token))),
  );
  const eos = tokens[countIn(info, "tokenizer.ggml.eos_token_id") ?? -1];
  return {
    size: tokens.length,
    controls: new Set(controls),
    eos: typeof eos === "string" ? eos : "",
    addsBos: info["tokenizer.ggml.add_bos_token"] === true,
  };
}

export interface Installed {
  readonly name: string;
  readonly digest?: string;
}

/** Models that are installed there, the one changed last first. */
async function installed(upstream: Upstream, signal: AbortSignal): Promise<readonly Installed[]> {
  const list = await upstream.json("GET", `${upstream.address.root}/api/tags`, PROBE_MS, signal);
  const models = isObject(list) ? listIn(list, "models") : undefined;
  if (models === undefined) throw malformed(upstream.name, "no list of models at /api/tags");
  return models.filter(isObject).flatMap((each) => {
    const [name, digest] = [textIn(each, "name"), textIn(each, "digest")];
    return name === undefined ? [] : [{ name, ...(digest !== undefined && { digest }) }];
  });
}

/** The one that is meant: by its name, with or without `:latest`, or the first. */
export async function meant(upstream: Upstream, { model }: RemoteModel, signal: AbortSignal): Promise<Installed> {
  const all = await installed(upstream, signal);
  if (model !== undefined)
    return all.find(({ name }) => name === model || name === `${model}:latest`) ?? { name: model };
  const [first] = all;
  if (first === undefined) throw malformed(upstream.name, "an empty list of models; install one with `ollama pull`");
  return first;
}

/** Spellings at which every answer ends: what callers may spell as control tokens, and `others`, if it has them. */
export function endSpellings(controls: ReadonlySet<string>, others: readonly string[]): readonly string[] {
  return [...new Set([...CONTROL_TOKENS, ...others])].filter((each) => controls.has(each));
}
