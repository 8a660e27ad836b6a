import { beginsAnswer, type StreamPart } from "../continuation/output.ts";
import type { Arrival, Attempt } from "./attempt.ts";
import { mayGoElsewhere, weakerReplica } from "./elsewhere.ts";
import type { Said } from "./said.ts";

export interface RaceOptions {
  readonly said: Said;
  /** Resolves when the first has had its time. */
  readonly delay: Promise<void>;
  /** Begins a second attempt, if there may be one. */
  readonly second: () => Attempt | undefined;
  /** An attempt failed; another one may still be under way. */
  readonly failed: (attempt: Attempt, error: unknown) => void;
  /** The text of this one counts. */
  readonly won: (attempt: Attempt) => void;
}

/**
 * Parts of the attempt that is the first to show text; the other one is stopped at once, and nothing of it is counted unless
 * it had failed by itself. Throws the last failure when all have failed.
 */
export async function* raced(first: Attempt, options: RaceOptions): AsyncGenerator<StreamPart> {
  const { said, won } = options;
  const race = new Race(first, options);
  try {
    said.hop();
    let { attempt: winner, part } = await race.next();
    for (; part === undefined || !beginsAnswer(part); { attempt: winner, part } = await race.next()) {
      if (part === undefined) return; // it ended without any text
      winner.take();
      if (winner !== first) race.hold(part);
      else if (said.note(part)) yield part;
    }
    const isFirstAtWork = race.isAtWork(first);
    race.leave(winner);
    won(winner);
    if (winner !== first && isFirstAtWork) said.replaceHop();
    else if (winner !== first) said.hop();
    for (const part of race.held) if (said.note(part)) yield part;
    yield* rest(winner, options);
  } finally {
    race.leave();
  }
}

/** The attempts until one of them has text. */
class Race {
  readonly #first: Attempt;
  readonly #options: RaceOptions;
  readonly #attempts: Set<Attempt>;
  readonly #late: Promise<"late">;
  readonly #held: StreamPart[] = [];
  #isLate = false;

  constructor(first: Attempt, options: RaceOptions) {
    this.#first = first;
    this.#options = options;
    this.#attempts = new Set([first]);
    this.#late = options.delay.then(() => "late");
  }

  /** What the winner said before its text; what the first attempt says has been passed on. */
  get held(): readonly StreamPart[] {
    return this.#held;
  }

  isAtWork(attempt: Attempt): boolean {
    return this.#attempts.has(attempt);
  }

  hold(part: StreamPart): void {
    this.#held.push(part);
  }

  /** The next part of any attempt; none: it has ended. Throws when no attempt is left that could answer. */
  async next(): Promise<{ readonly attempt: Attempt; readonly part?: StreamPart }> {
    for (;;) {
      const arrival = await this.#arrival();
      if (arrival === "late") this.#begin();
      else if ("error" in arrival) this.#failed(arrival.attempt, arrival.error);
      else if ("part" in arrival && this.#keepsLess(arrival.attempt, arrival.part)) this.#leaveOut(arrival.attempt);
      else if ("part" in arrival) return arrival;
      else if (arrival.attempt === this.#first || this.#attempts.size === 1) return { attempt: arrival.attempt };
      else this.#attempts.delete(arrival.attempt);
    }
  }

  /** Stops all but one. */
  leave(winner?: Attempt): void {
    for (const each of this.#attempts) if (each !== winner) each.abandon();
    if (winner !== undefined && winner === this.#first) this.#held.length = 0;
  }

  #arrival(): Promise<Arrival | "late"> {
    const arrivals = [...this.#attempts].map((each) => each.arrival());
    return Promise.race(this.#isLate ? arrivals : [...arrivals, this.#late]);
  }

  /** The reader may have heard of the first one's guarantee before or behind the start of the second. */
  #keepsLess(attempt: Attempt, part: StreamPart): boolean {
    const { said } = this.#options;
    return attempt !== this.#first && [...this.#held, part].some((each) => said.promisesLess(each));
  }

  #leaveOut(attempt: Attempt): void {
    attempt.abandon();
    this.#failed(attempt, weakerReplica(attempt.replica.name));
  }

  #begin(): void {
    this.#isLate = true;
    const other = this.#options.second();
    if (other !== undefined) this.#attempts.add(other);
  }

  /** What is wrong with the request itself the first one knows as well as any other. */
  #failed(attempt: Attempt, error: unknown): void {
    this.#attempts.delete(attempt);
    this.#options.failed(attempt, error);
    const isFinal = attempt === this.#first && !mayGoElsewhere(error);
    if (isFinal || this.#attempts.size === 0) throw error;
  }
}

async function* rest(winner: Attempt, { said, failed }: RaceOptions): AsyncGenerator<StreamPart> {
  for (;;) {
    const arrival = await winner.arrival();
    winner.take();
    if ("end" in arrival) return;
    if ("error" in arrival) {
      failed(winner, arrival.error);
      throw arrival.error;
    }
    if (said.note(arrival.part)) yield arrival.part;
  }
}
