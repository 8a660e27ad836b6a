import type { FinishReason, TokenLogprob } from "../../continuation/output.ts";
import { countIn, idsIn, type JsonObject, listIn, objectIn, textIn } from "./json.ts";
import { DONE, eventOf } from "./openai-wire.ts";
import type { Piece, PieceReader } from "./peer.ts";
import { malformed, refused } from "./upstream-error.ts";

/**
 * Reads the events of SGLang's `/generate`. Their text is all so far, unless the server was started to send pieces; ids and
 * log probabilities are either, by version and switch, and their last ones are the new ones in both cases.
 *
 * @param spelling of a control token, which may stand at the end of a text that it ends.
 */
export function generatedReader(
  engine: string,
  sendsPieces: boolean,
  spelling: (id: number) => string | undefined,
): PieceReader {
  let text = "";
  let tokens = 0;
  return (data) => {
    if (data.trim() === DONE) return {};
    const event = eventOf(engine, data);
    const [said, about] = [textIn(event, "text"), objectIn(event, "meta_info")];
    if (said === undefined || about === undefined) throw malformed(engine, "an event without text");
    const added = sendsPieces ? said : addedTo(engine, text, said);
    if (!sendsPieces) text += added;
    const soFar = Math.max(tokens, countIn(about, "completion_tokens") ?? tokens);
    const piece = { text: added, ...tokensOf(event, about, soFar - tokens, spelling, added) };
    tokens = soFar;
    return { ...piece, ...ended(engine, about) };
  };
}

/** @param count how many of the event's tokens are new. */
function tokensOf(
  event: JsonObject,
  about: JsonObject,
  count: number,
  spelling: (id: number) => string | undefined,
  text: string,
): Piece {
  const last = <T>(all: readonly T[]): readonly T[] => all.slice(Math.max(0, all.length - count));
  const logprobs = logprobsOf(about, last);
  const scored = logprobs === undefined ? {} : { logprobs };
  const told = idsIn(event, "output_ids");
  if (told === undefined) return scored;
  const ids = last(told);
  const end = endOf(about, ids);
  if (end === undefined) return { tokens: ids, ...scored };
  // The token that ended it is among them, and no part of the answer.
  return { tokens: ids.slice(0, -1), text: withoutEnd(text, spelling(end)), ...scored };
}

function addedTo(engine: string, before: string, all: string): string {
  if (all.startsWith(before)) return all.slice(before.length);
  if (before.startsWith(all)) return ""; // the end of a stop string, say, which was trimmed
  throw malformed(engine, "a text that takes back what it said before");
}

const REASONS: Readonly<Record<string, FinishReason>> = { stop: "stop", length: "length" };

/** The id that ended the answer, where it is told. */
function endOf(about: JsonObject, ids: readonly number[]): number | undefined {
  const last = ids.at(-1);
  return last !== undefined && last === objectIn(about, "finish_reason")?.["matched"] ? last : undefined;
}

/** Not every control token is left out of the text. */
function withoutEnd(text: string, end: string | undefined): string {
  return end !== undefined && text.endsWith(end) ? text.slice(0, -end.length) : text;
}

function ended(engine: string, about: JsonObject): Pick<Piece, "finish" | "usage"> {
  const finish = objectIn(about, "finish_reason");
  if (finish === undefined) return {};
  const raw = textIn(finish, "type") ?? "";
  if (raw === "abort") throw aborted(engine, finish);
  const reason = REASONS[raw];
  if (reason === undefined) throw malformed(engine, `an end of the answer that is no answer ("${raw}")`);
  const [promptTokens, completionTokens, cachedPromptTokens] = [
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
  ].map((name) => countIn(about, name));
  return {
    finish: { reason, raw },
    usage: {
      ...(promptTokens !== undefined && { promptTokens }),
      ...(completionTokens !== undefined && { completionTokens }),
      ...(cachedPromptTokens !== undefined && { cachedPromptTokens }),
    },
  };
}

/** A refusal that comes after the status was sent. */
function aborted(engine: string, finish: JsonObject): Error {
  const message = textIn(finish, "message") ?? "aborted";
  return refused(engine, { status: countIn(finish, "status_code") ?? 500, body: { message } });
}

/** Entries of a score, an id and a text each. */
function logprobsOf(
  about: JsonObject,
  last: <T>(all: readonly T[]) => readonly T[],
): readonly TokenLogprob[] | undefined {
  const chosen = listIn(about, "output_token_logprobs");
  if (chosen === undefined) return undefined;
  const others = last(listIn(about, "output_top_logprobs") ?? []);
  return last(chosen).map((entry, index) => {
    const top = others[index];
    return { ...logprobOf(entry), top: Array.isArray(top) ? top.map(logprobOf) : [] };
  });
}

function logprobOf(entry: unknown): Omit<TokenLogprob, "top"> {
  const [score, , text] = Array.isArray(entry) ? (entry as readonly unknown[]) : [];
  return {
    bytes: typeof text === "string" ? [...Buffer.from(text)] : [],
    logprob: typeof score === "number" ? score : -Number.MAX_VALUE,
  };
}
