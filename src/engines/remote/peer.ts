import type { FimLayout } from "../../continuation/fim.ts";
import type { Weights } from "../../continuation/lower.ts";
import type { FinishReason, TokenLogprob } from "../../continuation/output.ts";
import type { LoweredGap } from "../../continuation/prompt.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
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
  /** Each event of its streams says only what is new; absent: all so far. */
  readonly streamsPieces?: boolean;
  /** A seed alone decides what it says. Absent: seeds have no effect there. */
  readonly takesSeeds?: boolean;
  /** Chats are rendered here, for a route that takes raw prompts. */
  readonly rendersChats?: boolean;
  /** It thinks before it answers unless it is told not to. `closed`: what its template writes in front of an answer then. */
  readonly thoughts?: { readonly closed: string };
  /** Stop strings of its own, which those of a request take the place of. */
  readonly stops?: readonly string[];
  /** It puts a token before every raw prompt. */
  readonly addsBos?: boolean;
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
  /** Ids that end the answer by themselves, whatever the engine makes of them. */
  readonly ends: ReadonlySet<number>;
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
  readonly finish?: { readonly reason: FinishReason; readonly raw: string };
  readonly usage?: PeerUsage;
}

export interface PeerUsage {
  readonly promptTokens?: number;
  readonly completionTokens?: number;
  readonly cachedPromptTokens?: number;
}

/** Reads the events of one answer, in order. Throws `ServiceError` for what is none. */
export type PieceReader = (event: string) => Piece;

/** What is particular to a kind of engine. */
export interface Adapter {
  readonly kind: string;
  /** Hosts of a service: any other address is no such service unless it is configured as one. Absent: anywhere. */
  readonly hosts?: RegExp;
  /** Finds out what is there. Throws `ServiceError`. */
  probe(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<Peer>;
  /** What changes when another program or model comes up behind the address: much less than a probe asks. */
  identify(upstream: Upstream, about: RemoteModel, signal: AbortSignal): Promise<string>;
  /** Rewrites a request of one choice, or refuses with `unsupported_input`. Drops nothing silently. */
  lower(
    request: ContinuationRequest,
    peer: Peer,
    about: RemoteModel,
    upstream: Upstream,
    signal: AbortSignal,
  ): Promise<Asked>;
  reader(upstream: Upstream, peer: Peer, request: ContinuationRequest): PieceReader;
}

/** How it fills gaps, in a word: the family of its layout, or `suffix`. Absent: not at all. */
export function fillsBy({ weights, takesSuffix }: Pick<Peer, "weights" | "takesSuffix">): string | undefined {
  return weights.fim?.family ?? (takesSuffix === true ? "suffix" : undefined);
}
