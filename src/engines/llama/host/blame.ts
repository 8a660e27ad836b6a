import { LRUCache } from "lru-cache";
import { ServiceError } from "../../../errors.ts";

/** A request as far as blame goes. */
export interface Suspect {
  readonly id: number;
  /** The same for requests that ask the same. Costs a hash of the prompt. */
  fingerprint(): string;
}

export interface Death {
  /** A signal, an exit code, or what there was no progress in; for people. */
  readonly how: string;
  /** `kill`: somebody else ended it, an operator or the system short of memory. */
  readonly cause: "crash" | "hang" | "kill";
}

/** This many kills without a token between them weigh as one crash: the request may be using up the memory. */
const KILLS_PER_STRIKE = 5;
/** Deaths a request may be part of before one that it is part of alone ends it. */
const STRIKES = 2;
/** How long a request stays refused and its earlier deaths count, ms. The cause may be fixed by then. */
const MEMORY_MS = 600_000;
const MAX_RECORDS = 1_000;

/** A trial ends after `tokens` tokens or `ms` milliseconds; each further strike multiplies both, up to `longest` strikes. */
const TRIAL = { tokens: 1, tokensFactor: 8, ms: 5_000, msFactor: 4, longest: 3 } as const;

interface Record {
  readonly sinceMs: number;
  strikes: number;
  kills: number;
  guilty: boolean;
}

interface Trial {
  readonly suspect: Suspect;
  tokensLeft: number;
  readonly endsMs: number;
}

/**
 * Finds the request that engine processes die of, so that nobody else fails for it.
 *
 * Who was at work when a process died is a suspect. In the next process the suspects run one at a time and alone until each
 * has got further; then all go on together. A request is refused when it was part of two deaths and the process held
 * nothing else in the last one. One that asks the same is refused too, without being tried, for ten minutes.
 */
export class Blame {
  readonly #now: () => number;
  readonly #records: LRUCache<string, Record>;
  /** Those of requests that are still there, by id. */
  readonly #known = new Map<number, Record>();
  #suspects: Suspect[] = [];
  #trial: Trial | undefined;

  /** @param now milliseconds, never going back. */
  constructor(now: () => number) {
    this.#now = now;
    this.#records = new LRUCache({ max: MAX_RECORDS });
  }

  /** Throws for a request that is known to end the process. */
  assertInnocent(suspect: Suspect): void {
    for (const [fingerprint, record] of this.#records) if (!this.#counts(record)) this.#records.delete(fingerprint);
    if (this.#records.size === 0) return; // nearly always: spares the hash
    const record = this.#remembered(suspect.fingerprint());
    if (record?.guilty === true) throw refusal(record.strikes);
  }

  /** Whether it may run in the present process now. */
  admits({ id }: Suspect): boolean {
    return this.#trial === undefined || this.#trial.suspect.id === id;
  }

  /**
   * A process has died. Returns the requests that it died of, and why they are refused.
   *
   * @param involved who may have caused it: those that were at work.
   * @param alone the process held no other request.
   */
  died(death: Death, involved: readonly Suspect[], alone: boolean): { guilty: Suspect; error: ServiceError }[] {
    const tried = this.#trial?.suspect;
    this.#trial = undefined;
    const struck = new Set<Record>();
    for (const suspect of involved) struck.add(this.#recordOf(suspect));
    const heavier = new Set([...struck].filter((record) => strike(record, death)));
    const convicted = involved.filter((suspect) => {
      const record = this.#recordOf(suspect);
      record.guilty ||= alone && heavier.has(record) && record.strikes >= STRIKES;
      return record.guilty;
    });
    const suspects = [
      ...(tried === undefined ? [] : [tried]),
      ...this.#suspects,
      ...involved.filter((suspect) => heavier.has(this.#recordOf(suspect))),
    ].filter((suspect) => !convicted.includes(suspect));
    this.#suspects = [...new Map(suspects.map((suspect) => [suspect.id, suspect])).values()];
    return convicted.map((guilty) => ({ guilty, error: refusal(this.#recordOf(guilty).strikes) }));
  }

  /** A new process is there: the first trial begins. */
  processStarted(): void {
    this.#trial = undefined;
    this.#tryNext();
  }

  /** It has generated tokens. */
  progressed({ id }: Suspect, tokens: number): void {
    const record = this.#known.get(id);
    if (record !== undefined && tokens > 0) record.kills = 0;
    if (this.#trial?.suspect.id === id) this.#trial.tokensLeft -= tokens;
  }

  /** It has ended, whatever way. */
  ended({ id }: Suspect): void {
    this.#known.delete(id);
    this.#suspects = this.#suspects.filter((suspect) => suspect.id !== id);
    if (this.#trial?.suspect.id === id) this.#tryNext();
  }

  /** To be called after a step: a trial may be over. */
  stepped(): void {
    if (this.#trial !== undefined && (this.#trial.tokensLeft <= 0 || this.#now() >= this.#trial.endsMs))
      this.#tryNext();
  }

  #tryNext(): void {
    const suspect = this.#suspects.shift();
    if (suspect === undefined) {
      this.#trial = undefined;
      return;
    }
    const level = Math.min(TRIAL.longest, this.#recordOf(suspect).strikes) - 1;
    this.#trial = {
      suspect,
      tokensLeft: TRIAL.tokens * TRIAL.tokensFactor ** level,
      endsMs: this.#now() + TRIAL.ms * TRIAL.msFactor ** level,
    };
  }

  #recordOf(suspect: Suspect): Record {
    const known = this.#known.get(suspect.id);
    if (known !== undefined) return known;
    const fingerprint = suspect.fingerprint();
    const fresh = { sinceMs: this.#now(), strikes: 0, kills: 0, guilty: false };
    const record = this.#remembered(fingerprint) ?? fresh;
    this.#records.set(fingerprint, record);
    this.#known.set(suspect.id, record);
    return record;
  }

  #remembered(fingerprint: string): Record | undefined {
    const record = this.#records.get(fingerprint);
    return record !== undefined && this.#counts(record) ? record : undefined;
  }

  #counts({ sinceMs }: Record): boolean {
    return this.#now() - sinceMs < MEMORY_MS;
  }
}

/** Whether the death weighs as a strike. */
function strike(record: Record, { cause }: Death): boolean {
  if (cause === "kill") {
    record.kills += 1;
    if (record.kills % KILLS_PER_STRIKE !== 0) return false;
  }
  record.strikes += 1;
  return true;
}

function refusal(strikes: number): ServiceError {
  const text =
    `the engine process crashed or hung ${strikes} times while it worked on this request, the last time on nothing else, ` +
    "so the request is not tried again; change it (its grammar, prompt or length), or send it again in 10 minutes";
  return new ServiceError("unsupported_input", text);
}
