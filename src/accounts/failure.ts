import { StoreFailure } from "../db/failure.ts";
import { withoutSecrets } from "./secret.ts";

/** What a script can tell apart: a wrong call, one about something that is not there, and one that what is there forbids. */
export type AccountFailureKind = "usage" | "missing" | "failed";

/** A change of keys, workspaces or grants that cannot be made: what was expected, what was found, what to do. */
export class AccountFailure extends Error {
  override readonly name = "AccountFailure";
  readonly kind: AccountFailureKind;
  /** The input at fault, as the HTTP API spells it; absent: none alone. */
  readonly field?: string;

  constructor(message: string, kind: AccountFailureKind = "failed", field?: string) {
    // What stood in the wrong place may have been a key.
    super(withoutSecrets(message));
    this.kind = kind;
    if (field !== undefined) this.field = field;
  }
}

/**
 * The store is busy, has no room or cannot be reached: nothing is wrong with what was asked, and later it may be
 * answered.
 */
export function isStoreAway(error: unknown): error is StoreFailure {
  return error instanceof StoreFailure && ["busy", "full", "unavailable"].includes(error.kind);
}
