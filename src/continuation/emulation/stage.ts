/** Cleans a text that arrives in pieces. What comes out, joined, does not depend on where the pieces were cut. */
export interface Stage {
  push(piece: string): string;
  /** What was held back; call once when nothing more will come. */
  end(): string;
}
