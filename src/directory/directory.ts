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
  /**
   * Who answers a request of this kind (docs/wire.md 1.2a): the name's own mapping, else the default, else the first
   * configured model (for infill the first with a layout). Waits for weights that are still loading.
   * The card returned has `answeredBy.model`. Throws `model_unavailable` with what to do.
   */
  open(
    name: string,
    wanted: "text" | "infill" | "chat",
    signal: AbortSignal,
  ): Promise<{ card: ModelCard; engine: Engine }>;
}
