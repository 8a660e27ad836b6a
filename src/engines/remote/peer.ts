import type { FimLayout } from "../../continuation/fim.ts";
import type { Guarantee } from "../../continuation/guarantee.ts";
import type { Weights } from "../../continuation/lower.ts";
import type { FinishReason, TokenLogprob } from "../../continuation/output.ts";
import type { LoweredGap } from "../../continuation/prompt.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import type { ThoughtAtStart } from "../../continuation/thought.ts";
import type { Upstream } from "./transport.ts";
import type { Vocabulary } from "./vocabulary.ts";

/** How an engine without a way of its own takes the beginning of an answer. */
export type PrefixSpelling = "partial" | "prefix" | "continue_final_message" | "plain";

/** What the operator says of a model elsewhere. */
export interface RemoteModel {
  /** The name that callers use here. */
  readonly name: string;
  /** Its name there; absent: the first that the engine lists. */
  readonly model?: string;
  readonly fim?: string | false;
  readonly fimLayouts: readonly FimLayout[];
  /** Tokens of prompt and answer, where the engine does not tell. */
  readonly contextTokens?: number;
  readonly maxOutputTokens?: number;
  readonly prefix?: PrefixSpelling;
  /** Its weights think unless they are told not to. Absent: what the engine tells. */
  readonly thinking?: boolean;
  /** Where it answers chats only: ask it by instructions to fill gaps and to go on with text. Absent: no. */
  readonly emulate?: boolean;
  /** Settings that are no part of OpenAI's API and that the engine takes all the same, by their names on the wire. */
  readonly fields: ReadonlySet<string>;
}

/** What was found behind an address. */
export interface Peer {
  /** Its own name of the model. */
  readonly model: string;
  /** The program and its version, for people. */
  readonly program: string;
  /** The same for as long as it is the same program with the same model. */
  readonly identity: string;
  readonly contextTokens?: number;
  readonly vocabularySize?: number;
  readonly slots?: number;
  readonly weights: Weights;
  /** Fills a gap by itself, given the text behind it; its weights have no layout that we would write. */
  readonly takesSuffix?: boolean;
  readonly chat: boolean;
  /** Takes the beginning of an answer. */
  readonly chatPrefix: boolean;
  /** How, for people. Absent: not at all. */
  readonly prefixSpelling?: string;
  /** It has no route for texts that we know of. */
  readonly chatOnly?: boolean;
  /** What it is asked for by instructions (`emulate.ts`). Absent: nothing. */
  readonly emulates?: { readonly gaps: boolean; readonly texts: boolean; readonly prefixes: boolean };
  /** Absent: it does not turn text into tokens for us. */
  readonly vocabulary?: Vocabulary;
}

/** A request as an engine takes it. */
export interface Asked {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Beside those of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the prompt, as it is reported; absent: only the engine knows. */
  readonly promptTokens?: number;
  readonly truncatedTokens: number;
  /** Added to the engine's own count of the prompt. */
  readonly countOffset: number;
  readonly gap?: LoweredGap;
  /** Absent: in a chat that the engine renders by itself, any answer may begin with a thought; else none does. */
  readonly thought?: ThoughtAtStart;
  /** Ids that end the answer by themselves, whatever the engine makes of them. */
  readonly ends: ReadonlySet<number>;
  /** Absent: `native`. */
  readonly guarantee?: Guarantee;
  /** Settings of the request without effect, by their domain names. */
  readonly ignored: readonly string[];
}

/** One event of an answer. */
export interface Piece {
  /** Absent: none. May end within a surrogate pair. */
  readonly text?: string;
  /** Ids of the tokens that it adds, and nothing of an end token. Absent: it does not tell. */
  readonly tokens?: readonly number[];
  /** Tokens so far, where it tells no ids of some. */
  readonly tokensSoFar?: number;
  /** One list for each of `tokens`, else all of the event. */
  readonly logprobs?: readonly TokenLogprob[];
  /** `isCut`: the adapter ends the answer here, and the engine may be at work still. */
  readonly finish?: { readonly reason: FinishReason; readonly raw: string; readonly isCut?: true };
  readonly usage?: PeerUsage;
}

export interface PeerUsage {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly cachedPromptTokens?: number;
}

/** Reads the events of one answer, in order. Throws `ServiceError` for what is none. */
export type PieceReader = (event: string) => Piece;

/** What is particular to a kind of engine. Its own facts about a peer (`Known`) come back to it as it found them. */
export interface Adapter<Known extends Peer = Peer> {
  readonly kind: string;
  /** Hosts of a service: any other address is no such service unless it is configured as one. Absent: anywhere. */
  readonly hosts?: RegExp;
  /** Paths that tell it from another service at the same hosts. */
  readonly paths?: RegExp;
  /** Finds out what is there. Throws `ServiceError`. */
  probe(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<Known>;
  /** What changes when another program or model comes up behind the address: much less than a probe asks. */
  identify(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<string>;
  /** Rewrites a request of one choice, or refuses with `unsupported_input`. Drops nothing silently. */
  lower(
    request: ContinuationRequest,
    peer: Known,
    about: RemoteModel,
    upstream: Upstream,
    signal: AbortSignal,
  ): Promise<Asked>;
  reader(upstream: Upstream, peer: Known, request: ContinuationRequest): PieceReader;
}

/** How it fills gaps, in a word: the family of its layout, `suffix` or `emulated`. Absent: not at all. */
export function fillsBy({
  weights,
  takesSuffix,
  emulates,
}: Pick<Peer, "weights" | "takesSuffix" | "emulates">): string | undefined {
  if (weights.fim !== undefined) return weights.fim.family;
  if (takesSuffix === true) return "suffix";
  return emulates?.gaps === true ? "emulated" : undefined;
}
