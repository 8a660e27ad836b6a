/** Sizes of a step: the engine process computes with them, and the server estimates memory by them. */

/** Tokens of a block. On a CPU more rows gain nothing: 64 to 512 take the same time per row (`bench/README.md`). */
export const CPU_BLOCK_TOKENS = 64;
/** A GPU needs more rows to be busy. Not measured. */
export const GPU_BLOCK_TOKENS = 512;

/** Prompt tokens of one step; above, nothing is gained any more. */
export const MAX_SLICE = 512;

/** Rows of one decode: the largest slice, and what is taken back or guessed behind the end of its prompt. */
export const BATCH_TOKENS = MAX_SLICE + 64;
