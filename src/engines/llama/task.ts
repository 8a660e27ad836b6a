import type { TokenLogprob } from "../../continuation/output.ts";
import { type Step, Transcript } from "../../continuation/transcript.ts";
import type { GenerateMessage, Lane, StepOutput } from "./messages.ts";
import type { NativeModel } from "./model.ts";
import { type Picked, Sampler } from "./sampler.ts";

/** One choice of one request on its way through the scheduler. */
export class Task {
  readonly id: number;
  readonly choice: number;
  readonly lane: Lane;
  readonly arrivedMs: number;
  readonly promptLength: number;
  /** Prompt and answer so far; the scheduler evaluates them in order. */
  readonly tokens: number[];
  readonly maxTokens: number;
  /** The tokens of the prompt are to be scored too. */
  readonly scoresPrompt: boolean;
  /** The choice whose prompt this one can share once it is evaluated. */
  readonly leader: Task | undefined;
  paused = false;
  /** Nobody waits for it any more. */
  cancelled = false;
  finished = false;
  /** Tokens a cache spared when the task got its slot; undefined before. */
  cachedTokens: number | undefined;
  readonly #message: GenerateMessage;
  readonly #model: NativeModel;
  readonly #sampler: Sampler;
  readonly #transcript: Transcript;
  #cacheTold = false;

  constructor(
    message: GenerateMessage,
    choice: number,
    prompt: readonly number[],
    model: NativeModel,
    nowMs: number,
    leader?: Task,
  ) {
    const { limits, sampling, logitBias } = message;
    const replay = message.choices[choice] ?? [];
    this.id = message.id;
    this.choice = choice;
    this.lane = message.lane;
    this.arrivedMs = nowMs;
    this.promptLength = prompt.length;
    this.tokens = [...prompt, ...replay];
    this.maxTokens = limits.maxTokens ?? Number.POSITIVE_INFINITY;
    this.scoresPrompt = message.promptLogprobs && choice === 0;
    this.leader = leader;
    this.#message = message;
    this.#model = model;
    this.#sampler = new Sampler({ ...sampling, logitBias: new Map(logitBias) }, seedOf(message.seed, choice), prompt);
    this.#transcript = new Transcript({
      ends: new Set(message.ends),
      stopSequences: limits.stopSequences,
      stopStrings: limits.stopStrings,
      maxTokens: this.maxTokens,
    });
    // What these showed has been sent by the process that generated them.
    for (const id of replay) {
      this.#sampler.accept(id);
      this.#transcript.push({ id, bytes: model.bytes(id) });
    }
  }

  get generated(): number {
    return this.tokens.length - this.promptLength;
  }

  /** Picks and takes the next token. @param room tokens the slot can still hold, this one included. */
  advance(logits: Float32Array, room: number): StepOutput {
    const picked = this.#sampler.pick(logits, this.#message.logprobs);
    this.#sampler.accept(picked.id);
    this.tokens.push(picked.id);
    let step = this.#transcript.push({ id: picked.id, bytes: this.#model.bytes(picked.id) });
    if (step.finished === undefined && room <= 1) step = joined(step, this.#transcript.cut());
    const logprob = this.#logprobOf(picked);
    return { ...this.#output([picked.id], step), ...(logprob !== undefined && { logprobs: [logprob] }) };
  }

  /** Ends a task that generates nothing (only the prompt was asked for). */
  finishEmpty(): StepOutput {
    return this.#output([], { text: "", tokens: [], finished: "length" });
  }

  #output(generated: readonly number[], step: Step): StepOutput {
    this.finished = step.finished !== undefined;
    const tellCache = !this.#cacheTold && this.cachedTokens !== undefined;
    this.#cacheTold ||= tellCache;
    return {
      id: this.id,
      choice: this.choice,
      generated,
      text: step.text,
      shown: step.tokens.map((token) => token.id),
      ...(tellCache && this.cachedTokens !== undefined && { cachedTokens: this.cachedTokens }),
      ...(step.finished !== undefined && {
        finished: { reason: step.finished, completionTokens: this.#transcript.completionTokens },
      }),
    };
  }

  #logprobOf({ id, logprob, top = [] }: Picked): TokenLogprob | undefined {
    if (logprob === undefined) return undefined;
    const alternatives = top.map((each) => ({ ...tokenText(this.#model.bytes(each.id)), logprob: each.logprob }));
    return { ...tokenText(this.#model.bytes(id)), logprob, top: alternatives };
  }
}

/** A token's text and bytes as log probabilities report them. */
export function tokenText(bytes: Uint8Array): Pick<TokenLogprob, "token" | "bytes"> {
  return { token: Buffer.from(bytes).toString("utf8"), bytes: [...bytes] };
}

function joined(first: Step, last: Step): Step {
  return { ...last, text: first.text + last.text, tokens: [...first.tokens, ...last.tokens] };
}

/** Choice 0 draws with the seed itself, so that asking for more choices never changes the first. */
function seedOf(seed: string, choice: number): bigint {
  return BigInt.asUintN(64, BigInt(seed) + BigInt(choice) * 0xd1b54a32d192ed03n);
}
