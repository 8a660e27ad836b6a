import type { ContinuationRequest } from "../continuation/request.ts";
import { type Place, placeOf } from "./place.ts";

/** By what a newer request takes the place of an older one of the same caller. */
export interface SupersedeRules {
  /** Both name the same document. */
  readonly document: boolean;
  /** Both name the same user, and neither is a dialogue. */
  readonly user: boolean;
  /** Both are streams of one request each, and the newer one differs in nothing but that its text goes on. */
  readonly prefix: boolean;
}

/** Who asks, as far as the call says. */
export interface Typist {
  /** Whose key. Requests of different callers never meet. */
  readonly owner: string;
  readonly document?: string;
  readonly user?: string;
  readonly isStream: boolean;
}

/** What was typed while an answer ran is seldom longer; a longer text is another one that begins alike. UTF-16 units. */
const MOST_TYPED_UNITS = 256;

/** A request that a newer one may take the place of. */
export class RunningRequest {
  /** Grows with every request that comes. */
  readonly order: number;
  readonly typist: Typist;
  readonly isDialogue: boolean;
  readonly place: Place | undefined;
  /** Resolves when nothing of it is left, its account included. */
  readonly over: Promise<void>;
  readonly #superseded = new AbortController();
  #isCut = false;
  #end = (): void => undefined;

  constructor(order: number, typist: Typist, { input }: ContinuationRequest, place: Place | undefined) {
    this.order = order;
    this.typist = typist;
    this.isDialogue = input.kind === "chat";
    this.place = place;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** Aborts when a newer request takes its place. */
  get signal(): AbortSignal {
    return this.#superseded.signal;
  }

  get isSuperseded(): boolean {
    return this.signal.aborted;
  }

  /** Its answer was ended for that before it was whole. */
  get isCut(): boolean {
    return this.#isCut;
  }

  cut(): void {
    this.#isCut = true;
  }

  supersede(): void {
    this.#superseded.abort(new Error("a newer request takes its place"));
  }

  ended(): void {
    this.#end();
  }
}

/** The requests that newer ones may take the place of, by their callers. */
export class RunningRequests {
  readonly #rules: SupersedeRules;
  readonly #byOwner = new Map<string, Set<RunningRequest>>();
  #came = 0;

  constructor(rules: SupersedeRules) {
    this.#rules = rules;
  }

  /**
   * The request of a call, not running yet; undefined: nothing of it tells that it is about the same text as another one.
   * Several prompts or choices are wanted all.
   */
  candidate(typist: Typist, requests: readonly ContinuationRequest[]): RunningRequest | undefined {
    const [request] = requests;
    if (request === undefined || requests.length > 1 || request.choices !== 1) return undefined;
    const { document, user, prefix } = this.#rules;
    const isNamed = (document && typist.document !== undefined) || (user && typist.user !== undefined);
    const place = prefix && typist.isStream ? placeOf(request) : undefined;
    if (!isNamed && place === undefined) return undefined;
    this.#came += 1;
    return new RunningRequest(this.#came, typist, request, place);
  }

  /** The field `user` of this request has an effect. */
  honoursUser({ typist, isDialogue }: RunningRequest): boolean {
    return this.#rules.user && typist.user !== undefined && !isDialogue;
  }

  /** Those that it takes the place of, which may be unwinding already. */
  olderThan(newer: RunningRequest): readonly RunningRequest[] {
    const running = this.#byOwner.get(newer.typist.owner) ?? [];
    return [...running].filter((older) => older.order < newer.order && this.#isSame(older, newer));
  }

  /**
   * It takes the place of the older ones and runs until `end`. Again it has no effect. Where a newer one was admitted before
   * it, that one has taken its place.
   */
  begin(request: RunningRequest): void {
    const { owner } = request.typist;
    const running = this.#byOwner.get(owner) ?? new Set();
    if (running.has(request)) return;
    for (const older of this.olderThan(request)) older.supersede();
    const isOld = [...running].some((newer) => request.order < newer.order && this.#isSame(request, newer));
    if (isOld) request.supersede();
    this.#byOwner.set(owner, running.add(request));
  }

  /** Also for one that never began. */
  end(request: RunningRequest): void {
    const { owner } = request.typist;
    const running = this.#byOwner.get(owner);
    running?.delete(request);
    if (running?.size === 0) this.#byOwner.delete(owner);
    request.ended();
  }

  #isSame(older: RunningRequest, newer: RunningRequest): boolean {
    if (older.isDialogue !== newer.isDialogue) return false;
    const [one, other] = [older.typist, newer.typist];
    const { document, user } = this.#rules;
    if (document && (one.document !== undefined || other.document !== undefined))
      return one.document === other.document;
    if (user && !newer.isDialogue && one.user !== undefined && one.user === other.user) return true;
    return older.place !== undefined && newer.place !== undefined && goesOn(older.place, newer.place);
  }
}

/** The same text may be two windows, or two alternatives of it; a longer one has been typed on. */
function goesOn(older: Place, newer: Place): boolean {
  const typed = newer.text.length - older.text.length;
  return typed > 0 && typed <= MOST_TYPED_UNITS && older.rest === newer.rest && newer.text.startsWith(older.text);
}
