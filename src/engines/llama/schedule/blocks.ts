/**
 * Where prompts are cut for evaluation. How many rows are computed together changes their rounding, so the cuts depend on
 * nothing but the length of a prompt: what a cache holds up to a cut is, bit by bit, what evaluating it again would give.
 */

/** Shorter pieces would be reused a little more often and cost far more per token. */
const LEAST_PIECE = 8;

/**
 * The first cut behind a position of a prompt: whole blocks, then halves, quarters … of a block as they fit, then the rest.
 *
 * @param length of the prompt, more than `from`.
 * @param block tokens, a power of two.
 */
export function nextCut(from: number, length: number, block: number): number {
  const whole = length - (length % block);
  if (from < whole) return from - (from % block) + block;
  let cut = whole;
  for (let piece = block / 2; piece >= LEAST_PIECE; piece /= 2) {
    if (length - cut < piece) continue;
    cut += piece;
    if (cut > from) return cut;
  }
  return length;
}
