/** What a rule says of the next piece of an answer. */
export interface Verdict {
  /** Text that belongs to the answer for certain. */
  readonly text: string;
  /** The answer ends behind `text`; nothing may be pushed any more. */
  readonly found: boolean;
}

/** One rule for where an answer that fills a gap ends. Text comes in pieces, cut anywhere between characters. */
export interface GapStage {
  push(piece: string): Verdict;
  /**
   * Call once when nothing more will come.
   *
   * @param isWhole the weights or a stop ended the answer; otherwise a limit cut it.
   */
  end(isWhole: boolean): Verdict;
}
