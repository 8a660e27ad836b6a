import type { Engine } from "./engine.ts";
import type { StartPart, StreamPart, Usage } from "./output.ts";
import type { ContinuationRequest } from "./request.ts";

/**
 * Several requests answered as one stream: choice = request index × choices of one request + its own choice.
 *
 * The order of `StreamPart` holds for the whole: one `start` (prompt tokens summed), one `usage` last. Nothing is said
 * before every request was accepted, so that a refusal of the last one is still a refusal of the whole; what the first
 * ones say meanwhile is held, which the requests' own token limits bound. After that at most one part per running
 * request is held: a slow reader slows the engine.
 *
 * @param requests at least one, all with the same `choices`.
 * @param concurrency requests under way at the same time, at least 1.
 */
export async function* continueAll(
  engine: Engine,
  requests: readonly ContinuationRequest[],
  concurrency: number,
  signal: AbortSignal,
): AsyncGenerator<StreamPart> {
  const [first] = requests;
  if (first === undefined) throw new RangeError("there is nothing to continue");
  if (requests.length === 1) {
    yield* engine.generate(first, signal);
    return;
  }
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const arrivals = new Arrivals(
    requests.map((request) => () => engine.generate(request, stop)),
    concurrency,
  );
  try {
    yield* inOrder(arrivals, first.choices, requests.length);
  } finally {
    over.abort();
    arrivals.abandon();
  }
}

interface Arrival {
  readonly source: number;
  readonly part: StreamPart;
}

async function* inOrder(arrivals: Arrivals, choices: number, sources: number): AsyncGenerator<StreamPart> {
  const starts = new Map<number, StartPart>();
  const usages: Usage[] = [];
  const held: StreamPart[] = [];
  for (let arrival = await arrivals.next(); arrival !== undefined; arrival = await arrivals.next()) {
    const { source, part } = arrival;
    if (part.type === "start") {
      starts.set(source, part);
      if (starts.size < sources) continue;
      yield mergedStart(starts);
      yield* held.splice(0);
    } else if (part.type === "usage") {
      usages.push(part.usage);
    } else {
      const shifted = { ...part, choice: source * choices + part.choice };
      if (starts.size < sources) held.push(shifted);
      else yield shifted;
    }
  }
  yield { type: "usage", usage: sumUsage(usages) };
}

function mergedStart(starts: ReadonlyMap<number, StartPart>): StartPart {
  const all = [...starts.values()];
  const [first] = all;
  if (first === undefined) throw new RangeError("no request was started");
  return {
    type: "start",
    model: first.model,
    promptTokens: all.reduce((sum, start) => sum + start.promptTokens, 0),
    truncatedTokens: all.reduce((sum, start) => sum + start.truncatedTokens, 0),
    ignored: [...new Set(all.flatMap((start) => start.ignored))],
  };
}

/** Cached tokens only when every part knows them, drafts when any part made some, an estimate as soon as one part is. */
export function sumUsage(usages: readonly Usage[]): Usage {
  const cached = usages.map((usage) => usage.cachedPromptTokens);
  const drafts = usages.flatMap((usage) => usage.drafts ?? []);
  const sum: Usage = {
    promptTokens: usages.reduce((total, usage) => total + usage.promptTokens, 0),
    completionTokens: usages.reduce((total, usage) => total + usage.completionTokens, 0),
    ...(drafts.length > 0 && {
      drafts: {
        proposed: drafts.reduce((total, { proposed }) => total + proposed, 0),
        accepted: drafts.reduce((total, { accepted }) => total + accepted, 0),
      },
    }),
    source: usages.some((usage) => usage.source === "estimate") ? "estimate" : "engine",
  };
  if (!cached.every((tokens) => tokens !== undefined)) return sum;
  return { ...sum, cachedPromptTokens: cached.reduce((total, tokens) => total + tokens, 0) };
}

/** Runs sources side by side and hands out their parts as they come, one awaited part per running source. */
class Arrivals {
  readonly #waiting: (() => AsyncIterable<StreamPart>)[];
  readonly #running = new Map<number, AsyncIterator<StreamPart>>();
  readonly #ready: (Arrival | { readonly failure: unknown })[] = [];
  #wake: () => void = () => undefined;
  #opened = 0;

  constructor(sources: readonly (() => AsyncIterable<StreamPart>)[], concurrency: number) {
    this.#waiting = [...sources];
    while (this.#running.size < concurrency && this.#waiting.length > 0) this.#open();
  }

  /** Undefined once every source has ended. Throws what a source throws. */
  async next(): Promise<Arrival | undefined> {
    for (;;) {
      const arrival = this.#ready.shift();
      if (arrival === undefined) {
        if (this.#running.size === 0) return undefined;
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      if ("failure" in arrival) throw arrival.failure;
      this.#pull(arrival.source);
      return arrival;
    }
  }

  /** Ends the sources that are still running. Their signal has been aborted, so nobody waits for them here. */
  abandon(): void {
    this.#waiting.length = 0;
    for (const iterator of this.#running.values()) {
      // What fails while an abandoned source unwinds was never part of the answer.
      Promise.resolve(iterator.return?.()).catch(() => undefined);
    }
    this.#running.clear();
  }

  #open(): void {
    const source = this.#waiting.shift();
    if (source === undefined) return;
    const index = this.#opened++;
    this.#running.set(index, source()[Symbol.asyncIterator]());
    this.#pull(index);
  }

  #pull(index: number): void {
    this.#running
      .get(index)
      ?.next()
      .then(
        (result) => this.#arrive(index, result),
        (failure: unknown) => {
          this.#running.delete(index);
          this.#report({ failure });
        },
      );
  }

  #arrive(index: number, result: IteratorResult<StreamPart>): void {
    if (result.done !== true) {
      this.#report({ source: index, part: result.value });
      return;
    }
    this.#running.delete(index);
    this.#open();
    this.#wake();
  }

  #report(arrival: Arrival | { readonly failure: unknown }): void {
    this.#ready.push(arrival);
    this.#wake();
  }
}
