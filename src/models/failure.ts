/** What a script can tell apart: a wrong call, something that went wrong, and a person who stopped it. */
export type ModelFailureKind = "usage" | "failed" | "interrupted";

/** Something about models on disk that a person must decide or repair: what was expected, what was found, what to do. */
export class ModelFailure extends Error {
  override readonly name = "ModelFailure";
  readonly kind: ModelFailureKind;

  constructor(message: string, kind: ModelFailureKind = "failed") {
    super(message);
    this.kind = kind;
  }
}
