import { guessedPromptTokens } from "../continuation/estimate.ts";
import { breaksPromise } from "../continuation/guarantee.ts";
import { sumUsage } from "../continuation/merge.ts";
import { isShown, type StartPart, type StreamPart, saysElse, tokenCount, type Usage } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import type { Sent } from "../continuation/resume.ts";

/** What one replica said of an answer. */
interface Hop {
  promptTokens?: number;
  /** Completion tokens that went to the reader, those of a hidden thought included. */
  tokens: number;
  /** It told the tokens of all its text. */
  tellsTokens: boolean;
  /** Some of its text is shown; where none is, the answer may begin anew. */
  hasText: boolean;
  usage?: Usage;
}

/** What a reader has got of an answer, from however many replicas. */
export class Said {
  readonly #request: ContinuationRequest;
  readonly #hops: Hop[] = [];
  #start: StartPart | undefined;
  #text = "";
  readonly #tokens: number[] = [];
  #hasEcho = false;
  #hasBegun = false;
  #finished = 0;

  constructor(request: ContinuationRequest) {
    this.#request = request;
  }

  /** Anything of the answer itself; a hidden thought is none of it. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Tokens have been generated, shown or not. */
  get hasCost(): boolean {
    return this.#hasBegun || this.#hops.some(({ tokens }) => tokens > 0);
  }

  /** Every choice has its end. */
  get isWhole(): boolean {
    return this.#finished >= this.#request.choices;
  }

  /** Another replica begins. */
  hop(): void {
    this.#hops.push({ tokens: 0, tellsTokens: true, hasText: false });
  }

  /** The reader was promised an answer of another kind. */
  promisesLess(part: StreamPart): boolean {
    return part.type === "start" && breaksPromise(part.guarantee, this.#start?.guarantee);
  }

  /** Another replica takes the place of the last one, of which nobody has text. */
  replaceHop(): void {
    this.#hops.pop();
    this.hop();
  }

  /** False: the reader has it already, or gets it at the end. */
  note(part: StreamPart): boolean {
    switch (part.type) {
      case "start": {
        if (part.promptTokens !== undefined) this.#last.promptTokens = part.promptTokens;
        // Of the replica whose text is shown first: the headers are told of it, as long as they have not left.
        if (this.#hasBegun || (this.#start !== undefined && !saysElse(part, this.#start))) return false;
        this.#start = part;
        return true;
      }
      case "echo": {
        const isFirst = !this.#hasEcho;
        this.#hasEcho = true;
        return isFirst;
      }
      case "delta": {
        const hop = this.#last;
        hop.tokens += tokenCount(part);
        hop.tellsTokens &&= part.tokens !== undefined;
        if (!isShown(part)) return true;
        hop.hasText = true;
        this.#text += part.text;
        this.#tokens.push(...(part.tokens ?? []));
        this.#hasBegun = true;
        return true;
      }
      case "finish":
        this.#hasBegun = true;
        this.#finished += 1;
        return true;
      case "usage":
        this.#last.usage = part.usage;
        return false;
    }
  }

  /** For a request of one choice. */
  get sent(): Sent {
    const hops = this.#hops.filter(({ hasText }) => hasText);
    const tokenCount = hops.reduce((sum, hop) => sum + spentOn(hop), 0);
    const tellsTokens = hops.every((hop) => hop.tellsTokens);
    return {
      text: this.#text,
      tokenCount,
      truncatedTokens: this.#start?.truncatedTokens ?? 0,
      ...(tellsTokens && { tokens: [...this.#tokens] }),
    };
  }

  /**
   * Text that never reached the reader is not charged, and what was sent is no prompt of the next replica. A hidden thought
   * is charged, also that of a replica behind which the answer began anew.
   */
  usage(): Usage {
    const hops = this.#hops.filter(
      (hop) => hop.promptTokens !== undefined || hop.usage !== undefined || hop.tokens > 0,
    );
    const [first] = hops;
    const last = hops.at(-1);
    const usages = hops.map((hop): Usage => {
      const isExact = hop.usage?.source === "engine" || (hop !== last && hop.tellsTokens);
      return {
        ...hop.usage,
        promptTokens: hop === first ? this.#promptTokens(hop) : 0,
        completionTokens: hop === last ? (hop.usage?.completionTokens ?? hop.tokens) : spentOn(hop),
        source: isExact ? "engine" : "estimate",
      };
    });
    return sumUsage(usages.length > 0 ? usages : [{ promptTokens: 0, completionTokens: 0, source: "estimate" }]);
  }

  #promptTokens({ promptTokens, usage }: Hop): number {
    return usage?.promptTokens ?? promptTokens ?? guessedPromptTokens(this.#request.input);
  }

  get #last(): Hop {
    const last = this.#hops.at(-1);
    if (last === undefined) throw new Error("no replica has begun");
    return last;
  }
}

/** Of a replica that others followed: its own figure may hold tokens that nobody got. */
function spentOn({ tokens, tellsTokens, usage }: Hop): number {
  return tellsTokens ? tokens : (usage?.completionTokens ?? tokens);
}
