import type { EngineModel } from "./engine.ts";
import type { SamplingDefaults } from "./request.ts";

/** What one public model name can do here, and who answers to it. */
export interface ModelCard {
  /** The name as called. */
  readonly name: string;
  /** One of the names of the two Model Studio pages: their route lists bind it (docs/wire.md 5.1). */
  readonly catalogued: boolean;
  /** The completions route takes it (catalogue column C; any other model: always). */
  readonly completions: boolean;
  /** Partial Mode takes it (catalogue column P; any other model: if it can chat). */
  readonly partial: boolean;
  /** What the operator has taken from the weights (`capabilities`), on every path. Absent: nothing. */
  readonly withheld?: ReadonlySet<"completions" | "partial">;
  /** The weights that answer, and what they can do; undefined while they are still loading. */
  readonly answeredBy: { readonly id: string; readonly standIn: boolean; readonly model?: EngineModel };
  /** Bounds named in `Range of …` messages: the catalogue's, lowered to what the weights' context allows. */
  readonly maxInputTokens: number;
  readonly maxOutputTokens: number;
  readonly contextTokens: number;
  /** Of chat; completions use them without `repetitionPenalty` and `presencePenalty`. */
  readonly defaults: SamplingDefaults;
}
