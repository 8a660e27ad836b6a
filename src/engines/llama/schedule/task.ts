import type { EncodedPrompt } from "../../../continuation/encode-prompt.ts";
import type { TokenLogprob } from "../../../continuation/output.ts";
import { type Step, Transcript } from "../../../continuation/transcript.ts";
import type { NativeModel } from "../native/model.ts";
import { type Draft, type Drafted, Drafter } from "../pick/draft.ts";
import { Picker } from "../pick/picker.ts";
import type { Picked } from "../pick/sampler.ts";
import type { GenerateMessage, Lane, StepOutput } from "../wire/messages.ts";

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
  readonly #model: NativeModel;
  readonly #picker: Picker;
  readonly #drafter: Drafter;
  readonly #transcript: Transcript;
  /** Tokens of the answer before which no end may come. */
  readonly #endsFrom: number;
  #answered = 0;
  #cacheTold = false;

  /** Throws `invalid_parameter` when the request's grammar cannot be used. */
  constructor(
    message: GenerateMessage,
    choice: number,
    prompt: EncodedPrompt,
    model: NativeModel,
    nowMs: number,
    leader?: Task,
  ) {
    const { limits, gap } = message;
    const { minTokens = 0, ignoreEnds = false } = limits;
    this.id = message.id;
    this.choice = choice;
    this.lane = message.lane;
    this.arrivedMs = nowMs;
    this.promptLength = prompt.tokens.length;
    this.tokens = [...prompt.tokens];
    this.maxTokens = limits.maxTokens ?? Number.POSITIVE_INFINITY;
    this.scoresPrompt = message.promptLogprobs && choice === 0;
    this.leader = leader;
    this.#model = model;
    this.#endsFrom = ignoreEnds ? Number.POSITIVE_INFINITY : minTokens;
    const ends = new Set(message.ends);
    this.#picker = new Picker(message, choice, prompt, model);
    this.#drafter = new Drafter(prompt, (id) => ends.has(id), message.speculation);
    this.#transcript = new Transcript({
      ends,
      stopSequences: limits.stopSequences,
      stopStrings: limits.stopStrings,
      minTokens,
      maxTokens: this.maxTokens,
      ...(gap !== undefined && { gap }),
      ...(message.prompt.thought !== undefined && { thought: message.prompt.thought }),
    });
    // What these showed has been sent by the process that generated them.
    for (const id of message.choices[choice] ?? []) this.#take(id);
  }

  get generated(): number {
    return this.tokens.length - this.promptLength;
  }

  /** Of the answer, as they are charged: without an end token, and without what the caller had written. */
  get completionTokens(): number {
    return this.#transcript.completionTokens;
  }

  /** Tokens worth verifying in the same step as the next one. @param most that there is room for. */
  draft(most: number): Draft {
    const left = this.maxTokens - this.completionTokens - 1;
    return this.#drafter.propose(this.tokens, Math.min(most, left));
  }

  /**
   * Picks and takes tokens for as long as they are those of the draft, and one more.
   *
   * @param logits of the row after the last token (0), then of the row after each drafted one.
   * @param room tokens the slot can still hold, the first one picked included.
   */
  advance(logits: (row: number) => Float32Array, draft: Draft, room: number): StepOutput {
    const taken: Taken[] = [];
    let accepted = 0;
    let doubted = false;
    for (let row = 0; row <= draft.tokens.length; row += 1) {
      const values = logits(row);
      const picked = this.#picker.pick(values, this.#answered >= this.#endsFrom);
      doubted =
        picked !== undefined && draft.isGuess && draft.tokens.length > 0 && this.#picker.isCloseCall(values, picked);
      if (doubted) break;
      taken.push(this.#takePicked(picked, room - row));
      if (picked === undefined || draft.tokens[row] !== picked.id) break;
      accepted += 1;
      if (this.finished) break;
    }
    const drafted = { proposed: draft.isGuess ? draft.tokens.length : 0, accepted: draft.isGuess ? accepted : 0 };
    this.#drafter.observe(doubted);
    return this.#output(taken, drafted);
  }

  /** Ends a task that generates nothing (only the prompt was asked for). */
  finishEmpty(): StepOutput {
    this.finished = true;
    return this.#output([{ ids: [], step: { text: "", tokens: [], finished: "length" } }], NOTHING_DRAFTED);
  }

  /** Without a token the text ends here: nothing else is allowed. */
  #takePicked(picked: Picked | undefined, room: number): Taken {
    if (picked === undefined) {
      this.finished = true;
      return { ids: [], step: this.#transcript.end("stop") };
    }
    let { step, skipped } = this.#take(picked.id);
    if (step.finished === undefined && room <= 1) step = joined(step, this.#transcript.end("length"));
    this.finished = step.finished !== undefined;
    const logprob = skipped === undefined ? undefined : this.#logprobOf(picked, skipped);
    return { ids: [picked.id], step, ...(logprob !== undefined && { logprob }) };
  }

  /** `skipped`: bytes of it that the caller has written already; undefined: all of them, so it is no part of the answer. */
  #take(id: number): { step: Step; skipped: number | undefined } {
    this.tokens.push(id);
    const bytes = this.#model.bytes(id);
    const { skipped, text } = this.#picker.accept(id, bytes);
    if (skipped > 0 && skipped === bytes.length) return { step: { text: "", tokens: [] }, skipped: undefined };
    this.#answered += 1;
    return { step: this.#transcript.push({ id, bytes: text }), skipped };
  }

  #output(taken: readonly Taken[], drafted: Drafted): StepOutput {
    const step = taken.map((each) => each.step).reduce(joined, { text: "", tokens: [] });
    const logprobs = taken.flatMap((each) => each.logprob ?? []);
    const tellCache = !this.#cacheTold && this.cachedTokens !== undefined;
    this.#cacheTold ||= tellCache;
    return {
      id: this.id,
      choice: this.choice,
      generated: taken.flatMap((each) => each.ids),
      text: step.text,
      shown: step.tokens.map((token) => token.id),
      ...(step.hiddenTokens !== undefined && { hidden: step.hiddenTokens }),
      ...(logprobs.length > 0 && { logprobs }),
      ...(drafted.proposed > 0 && { drafted }),
      ...(tellCache && this.cachedTokens !== undefined && { cachedTokens: this.cachedTokens }),
      ...(step.finished !== undefined && {
        finished: {
          reason: step.finished,
          completionTokens: this.#transcript.completionTokens,
          ...(step.rule !== undefined && { rule: step.rule }),
        },
      }),
    };
  }

  /** @param skipped bytes that are no part of the answer. */
  #logprobOf({ id, logprob, top = [] }: Picked, skipped: number): TokenLogprob | undefined {
    if (logprob === undefined) return undefined;
    const bytes = (each: number) => Buffer.from(this.#model.bytes(each));
    const before = bytes(id).subarray(0, skipped);
    const alike = top.filter((each) => before.equals(bytes(each.id).subarray(0, skipped)));
    const reported = (each: number) => reportedToken(bytes(each).subarray(skipped), this.#model.spelling(each));
    return { ...reported(id), logprob, top: alike.map((each) => ({ ...reported(each.id), logprob: each.logprob })) };
  }
}

/** A token taken, or none, and what it made visible. */
interface Taken {
  readonly ids: readonly number[];
  readonly step: Step;
  readonly logprob?: TokenLogprob;
}

const NOTHING_DRAFTED: Drafted = { proposed: 0, accepted: 0 };

/** A token as log probabilities report it. @param bytes that it adds to the text. */
function reportedToken(bytes: Uint8Array, spelling: Uint8Array): Pick<TokenLogprob, "bytes" | "control"> {
  return bytes.length > 0 ? { bytes: [...bytes] } : { bytes: [], control: Buffer.from(spelling).toString("utf8") };
}

function joined(first: Step, last: Step): Step {
  const hiddenTokens = (first.hiddenTokens ?? 0) + (last.hiddenTokens ?? 0);
  return {
    ...last,
    text: first.text + last.text,
    tokens: [...first.tokens, ...last.tokens],
    ...(hiddenTokens > 0 && { hiddenTokens }),
  };
}
