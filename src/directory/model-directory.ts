import type { ModelCard } from "../continuation/card.ts";
import type { Engine, EngineModel } from "../continuation/engine.ts";
import type { Sampling } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import type { Candidates, Directory } from "./directory.ts";

/** A name of the catalogue, as far as routing needs it. Infinite limits: as much as the weights hold. */
export interface KnownName {
  readonly name: string;
  readonly completions: boolean;
  readonly partial: boolean;
  readonly contextTokens: number;
  readonly maxInputTokens: number;
  readonly maxOutputTokens: number;
  readonly defaults: Sampling;
}

/** Weights in service under their own name. */
export interface ServedWeights {
  readonly name: string;
  readonly engine: Engine;
  /** Laid over the weights' own sampling defaults. */
  readonly sampling: Sampling;
  readonly completions?: boolean;
  readonly partial?: boolean;
  readonly maxInputTokens?: number;
  readonly maxOutputTokens?: number;
  /** Names that may answer in their place, best first. */
  readonly fallbacks?: readonly string[];
}

export interface DirectoryOptions {
  /** Catalogue names in the order they are listed. */
  readonly known: readonly KnownName[];
  /** The catalogue entry of a name or of another spelling of it. */
  readonly lookUp: (name: string) => KnownName | undefined;
  /** In the operator's order. */
  readonly weights: readonly ServedWeights[];
  /** Further names, each to the name of weights. */
  readonly mappings: ReadonlyMap<string, string>;
  /** Weights that answer to names without a mapping; absent: the first that can. */
  readonly defaultName?: string;
  /** Names without a mapping are not answered at all. */
  readonly strict: boolean;
}

/** Sampling of weights that recommend nothing (docs/wire.md 5.4). */
const PLAIN_DEFAULTS: Sampling = { temperature: 0.7, topP: 0.8, topK: 20, repetitionPenalty: 1 };

/** Who answers (docs/wire.md 1.2a): the name's own mapping, else the default, else the first weights that can. */
export class ModelDirectory implements Directory {
  readonly #options: DirectoryOptions;
  readonly #weights: ReadonlyMap<string, ServedWeights>;
  readonly #models = new Map<string, EngineModel>();

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#weights = new Map(options.weights.map((each) => [each.name, each]));
    const never = new AbortController().signal;
    // Lists tell what weights can do, loaded or not; why they cannot be used is told to whoever asks for them.
    for (const each of options.weights) void this.#learn(each, never).catch(() => {});
  }

  find(name: string): ModelCard | undefined {
    const known = this.#options.lookUp(name);
    const own = this.#mapped(name);
    if (known === undefined && own === undefined) return undefined;
    const weights = own ?? this.#standIns("text")[0];
    return this.#card(name, known, weights, own === undefined);
  }

  list(): readonly ModelCard[] {
    const { known, weights, mappings } = this.#options;
    const names = new Set([...known.map((each) => each.name), ...weights.map((each) => each.name), ...mappings.keys()]);
    return [...names].flatMap((name) => this.find(name) ?? []);
  }

  infillNames(): readonly string[] {
    const able = this.#options.weights.filter((each) => this.#models.get(each.name)?.fim !== undefined);
    const names = able.map((each) => each.name);
    const mapped = [...this.#options.mappings].filter(([, target]) => names.includes(target)).map(([name]) => name);
    return [...names, ...mapped];
  }

  fallbacksOf(id: string): readonly string[] {
    return this.#weights.get(id)?.fallbacks ?? [];
  }

  /** One candidate: other weights give another answer, so they are none. */
  async open(name: string, wanted: "text" | "infill" | "chat", signal: AbortSignal): Promise<Candidates> {
    const own = this.#mapped(name);
    const candidates = own === undefined ? this.#standIns(wanted) : [own];
    const weights = await this.#choose(candidates, wanted, signal);
    if (weights === undefined) throw new ServiceError("model_unavailable", this.#whyNobody(name), { model: name });
    const card = this.#card(name, this.#options.lookUp(name), weights, own === undefined);
    return [{ card, engine: weights.engine }];
  }

  #mapped(name: string): ServedWeights | undefined {
    return this.#weights.get(name) ?? this.#weights.get(this.#options.mappings.get(name) ?? "");
  }

  /** A default that was named answers everything; otherwise order decides, and for infill who has a layout. */
  #standIns(wanted: "text" | "infill" | "chat"): readonly ServedWeights[] {
    const { strict, defaultName, weights } = this.#options;
    if (strict) return [];
    if (defaultName !== undefined) return weights.filter((each) => each.name === defaultName);
    return wanted === "infill" ? weights : weights.slice(0, 1);
  }

  /** The first candidate, for infill the first whose weights have a layout; finds out what has to be known. */
  async #choose(
    candidates: readonly ServedWeights[],
    wanted: "text" | "infill" | "chat",
    signal: AbortSignal,
  ): Promise<ServedWeights | undefined> {
    const [first] = candidates;
    if (wanted === "infill" && candidates.length > 1) {
      for (const each of candidates.filter(({ engine }) => engine.health().state !== "failed")) {
        const model = await this.#learn(each, signal).catch((error: unknown) => skipBroken(error, signal));
        if (model?.fim !== undefined) return each;
      }
    }
    if (first !== undefined) await this.#learn(first, signal);
    return first;
  }

  async #learn(weights: ServedWeights, signal: AbortSignal): Promise<EngineModel> {
    const model = await weights.engine.model(signal);
    this.#models.set(weights.name, model);
    return model;
  }

  #card(name: string, known: KnownName | undefined, weights: ServedWeights | undefined, standIn: boolean): ModelCard {
    const model = weights === undefined ? undefined : this.#models.get(weights.name);
    const room = (model?.contextTokens ?? Number.POSITIVE_INFINITY) - 1;
    // What the operator says of weights holds for the names given to them. A name they merely stand in for keeps what the
    // catalogue says of it, less what the operator takes away.
    const within = (configured: number | undefined, documented = room): number =>
      Math.min(standIn ? Math.min(configured ?? room, documented) : (configured ?? documented), room);
    const may = (configured: boolean | undefined, documented: boolean): boolean =>
      standIn ? documented && configured !== false : (configured ?? documented);
    return {
      name,
      catalogued: known !== undefined,
      completions: may(weights?.completions, known?.completions ?? true),
      partial: may(weights?.partial, known?.partial ?? model?.partial ?? model?.chat ?? true),
      withheld: new Set((["completions", "partial"] as const).filter((ability) => weights?.[ability] === false)),
      answeredBy: { id: weights?.name ?? "", standIn, ...(model !== undefined && { model }) },
      maxInputTokens: within(weights?.maxInputTokens, known?.maxInputTokens),
      maxOutputTokens: within(weights?.maxOutputTokens, known?.maxOutputTokens),
      contextTokens: Math.min(known?.contextTokens ?? room + 1, room + 1),
      defaults: {
        model: { ...PLAIN_DEFAULTS, ...known?.defaults, ...model?.defaults },
        operator: weights?.sampling ?? {},
      },
    };
  }

  #whyNobody(name: string): string {
    const { weights, strict } = this.#options;
    if (weights.length === 0) {
      return `Model is unavailable: no model is configured. Start the server with "--model FILE" (a GGUF file), or name one in the configuration.`;
    }
    const reason = strict ? "names without a mapping are not answered (strict)" : "nothing answers to it";
    return `Model ${name} is unavailable: ${reason}. Map it in the configuration, or ask for one of: ${weights.map((each) => each.name).join(", ")}.`;
  }
}

/** While looking for weights with a layout, broken ones are passed over; whoever asked may still have left. */
function skipBroken(error: unknown, signal: AbortSignal): undefined {
  signal.throwIfAborted();
  if (!(error instanceof ServiceError)) throw error;
  return undefined;
}
