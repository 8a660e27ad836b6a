import type { ModelCard } from "../continuation/card.ts";
import type { Engine } from "../continuation/engine.ts";

/** Which names exist, what they can do, and which engine answers to them. */
export interface Directory {
  /** Names an explicit entry or the catalogue knows; undefined: the model does not exist (404). */
  find(name: string): ModelCard | undefined;
  /** Every name, catalogue first, each once. */
  list(): readonly ModelCard[];
  /** Names that can fill in the middle, as far as their weights are known by now. */
  infillNames(): readonly string[];
  /** Names that may answer in place of these weights, best first; most have none. @param id as in `answeredBy.id`. */
  fallbacksOf(id: string): readonly string[];
  /**
   * Who can answer a request of this kind, best first (docs/wire.md 1.2a): the name's own mapping, else the default, else
   * the first configured model (for infill the first with a layout). Waits for weights that are still loading.
   * Throws `model_unavailable` with what to do when nobody can.
   */
  open(name: string, wanted: "text" | "infill" | "chat", signal: AbortSignal): Promise<Candidates>;
}

/** At least one. All give the same answer to a request: which of them is asked, the caller need not know. */
export type Candidates = readonly [Candidate, ...Candidate[]];

export interface Candidate {
  /** Has `answeredBy.model`. */
  readonly card: ModelCard;
  readonly engine: Engine;
}
