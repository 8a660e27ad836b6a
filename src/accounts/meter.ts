import type { Usage } from "../continuation/output.ts";
import type { ReservationRow } from "../db/schema.ts";

/** A request that is to be admitted. */
export interface Admission {
  /** Of the request; its record has it too. */
  readonly id: string;
  readonly workspaceId: string;
  /** Absent: no key was needed. */
  readonly keyId?: string;
  /** As the caller spelt it. */
  readonly model: string;
  readonly protocol: string;
  /** When it arrived, epoch milliseconds. */
  readonly startedAtMs: number;
  /** About what the prompt will take. */
  readonly promptTokens: number;
  /** The most that the answer can take. */
  readonly completionTokens: number;
}

/** Admits requests within the limits, and keeps the account of what they use. */
export interface Meter {
  /**
   * Throws `request_rate_exceeded`, `concurrency_exceeded`, `token_rate_exceeded` or `budget_exceeded` when a limit has
   * nothing left; then nothing was taken from any limit. What is returned must be settled or cancelled.
   */
  reserve(admission: Admission): Promise<Reservation>;
}

/** A request that was admitted. None of its functions rejects. */
export interface Reservation {
  /**
   * The engine has accepted it. Resolves when a crash would charge the prompt: hand out no text before.
   *
   * @param promptTokens absent: the engine tells them later, and until then the prompt counts as what was guessed.
   */
  accepted(promptTokens: number | undefined): Promise<void>;
  /** So many tokens more are about to be handed out. */
  produced(tokens: number): void;
  /** All that was produced has been handed out, so a crash may charge it. */
  delivered(): void;
  /** The engine's own count, which takes the place of what was seen. */
  used(usage: Usage): void;
  /** Over: resolves when the request is in the account, or its node has noted to try again. */
  settle(outcome: string): Promise<void>;
  /** Refused after all, before anything was computed: leaves no record and takes nothing from any limit. */
  cancel(): Promise<void>;
}

/** The row of a request at its admission. */
export function rowOf(
  admission: Admission,
  nodeId: string,
  limitIds: readonly string[],
  nowMs: number,
): ReservationRow {
  return {
    id: admission.id,
    node_id: nodeId,
    workspace_id: admission.workspaceId,
    key_id: admission.keyId ?? null,
    model: admission.model,
    protocol: admission.protocol,
    started_at_ms: Math.floor(admission.startedAtMs),
    seen_at_ms: nowMs,
    prompt_tokens: 0,
    completion_tokens: 0,
    reserved_tokens: admission.promptTokens + admission.completionTokens,
    limit_ids: JSON.stringify(limitIds),
  };
}
