import { Arrivals } from "./arrivals.ts";
import type { Engine } from "./engine.ts";
import { guessedPromptTokens } from "./estimate.ts";
import { weakest } from "./guarantee.ts";
import { type StartPart, type StreamPart, saysElse, tokenCount, type Usage } from "./output.ts";
import type { ContinuationRequest } from "./request.ts";

/**
 * Several requests answered as one stream: choice = request index × choices of one request + its own choice.
 *
 * The order of `StreamPart` holds for the whole: one `start` (prompt tokens summed), one `usage` last. Parts go out as they
 * come; at most one part per running request is held, so that a slow reader slows the engine.
 *
 * An engine that can tell is asked about all requests first, and a refusal of any of them is a refusal of the whole before
 * anything is computed. Otherwise `start` comes with the first request that is accepted, and again with a later one of which
 * something else is to be said; a later refusal ends the stream. Whatever ends it, the other requests are stopped, and
 * `usage` says what was computed for all of them.
 *
 * @param requests at least one, all with the same `choices`.
 * @param concurrency requests under way at the same time, at least 1.
 */
export async function* continueAll(
  engine: Pick<Engine, "accept" | "generate">,
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
  const starts = await engine.accept?.(requests, signal);
  if (starts !== undefined) yield mergedStart(starts);
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  const asked = starts === undefined ? requests : requests.map((request) => ({ ...request, accepted: true }));
  const arrivals = new Arrivals(
    asked.map((request) => () => engine.generate(request, stop)),
    concurrency,
  );
  const spent = new Spent(requests);
  try {
    yield* inOrder(arrivals, spent, first.choices, starts);
  } catch (error) {
    over.abort();
    await finish(arrivals, spent);
    yield { type: "usage", usage: spent.usage() };
    throw error;
  } finally {
    over.abort();
    arrivals.abandon();
  }
}

/** @param accepted what has been said of all of them. Absent: nothing. */
async function* inOrder(
  arrivals: Arrivals<StreamPart>,
  spent: Spent,
  choices: number,
  accepted: readonly StartPart[] | undefined,
): AsyncGenerator<StreamPart> {
  const starts = new Map<number, StartPart>();
  let told: StartPart | undefined;
  for (let arrival = await arrivals.next(); arrival !== undefined; arrival = await arrivals.next()) {
    const { source, part } = arrival;
    spent.note(source, part);
    if (part.type === "start") {
      if (accepted !== undefined) continue;
      starts.set(source, part);
      const start = mergedStart([...starts.values()]);
      if (told === undefined || saysElse(start, told)) yield start;
      told = start;
    } else if (part.type !== "usage") {
      yield { ...part, choice: source * choices + part.choice };
    }
  }
  yield { type: "usage", usage: spent.usage() };
}

/** Reads what the stopped requests still say, for the sake of their usage. */
async function finish(arrivals: Arrivals<StreamPart>, spent: Spent): Promise<void> {
  arrivals.openNoMore();
  for (;;) {
    try {
      const arrival = await arrivals.next();
      if (arrival === undefined) return;
      spent.note(arrival.source, arrival.part);
    } catch {
      // Each of them ends with the abort; the first failure is the one that is told.
    }
  }
}

/** What was computed for each request, by its own word or else by what was seen of it. */
class Spent {
  readonly #seen = new Map<number, { promptTokens: number; completionTokens: number }>();
  readonly #said = new Map<number, Usage>();
  readonly #requests: readonly ContinuationRequest[];

  constructor(requests: readonly ContinuationRequest[]) {
    this.#requests = requests;
  }

  note(source: number, part: StreamPart): void {
    if (part.type === "start") {
      const { completionTokens = 0 } = this.#seen.get(source) ?? {};
      this.#seen.set(source, { promptTokens: this.#promptTokens(source, part), completionTokens });
    }
    if (part.type === "usage") this.#said.set(source, part.usage);
    const seen = this.#seen.get(source);
    if (part.type === "delta" && seen !== undefined) seen.completionTokens += tokenCount(part);
  }

  #promptTokens(source: number, { promptTokens }: StartPart): number {
    const request = this.#requests[source];
    return promptTokens ?? (request === undefined ? 0 : guessedPromptTokens(request.input));
  }

  usage(): Usage {
    const guessed = [...this.#seen].filter(([source]) => !this.#said.has(source));
    return sumUsage([...this.#said.values(), ...guessed.map(([, seen]) => ({ ...seen, source: "estimate" as const }))]);
  }
}

function mergedStart(starts: readonly StartPart[]): StartPart {
  const [first] = starts;
  if (first === undefined) throw new RangeError("no request was started");
  const prompts = starts.map((start) => start.promptTokens);
  const guarantee = weakest(starts.map((start) => start.guarantee));
  return {
    type: "start",
    model: first.model,
    ...(prompts.every((tokens) => tokens !== undefined) && {
      promptTokens: prompts.reduce((sum, tokens) => sum + tokens, 0),
    }),
    truncatedTokens: starts.reduce((sum, start) => sum + start.truncatedTokens, 0),
    ignored: [...new Set(starts.flatMap((start) => start.ignored))],
    ...(guarantee !== undefined && { guarantee }),
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
