/** What a script can tell apart: a wrong call, and one that what is there forbids. */
export type AccountFailureKind = "usage" | "failed";

/** A change of keys, workspaces or grants that cannot be made: what was expected, what was found, what to do. */
export class AccountFailure extends Error {
  override readonly name = "AccountFailure";
  readonly kind: AccountFailureKind;

  constructor(message: string, kind: AccountFailureKind = "failed") {
    super(message);
    this.kind = kind;
  }
}
