/** What the scripted engine of bench/gateway.ts says. */

/** Pieces of one answer, each an event of its own in a stream; together 1 KB. Alike, they would be taken for a loop (LiteLLM). */
export const PIECES: readonly string[] = Array.from(
  { length: 200 },
  (_, index) => `${String(index).padStart(4, "w")} `,
);

/** Milliseconds between two events of a paced stream. */
export const PAUSE_MS = 5;
