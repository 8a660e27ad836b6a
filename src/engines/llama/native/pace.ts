/** Weight of the newest measurement. */
const NEWEST = 0.3;

/** How long steps take on this machine, by their number of rows. */
export class Pace {
  /** Per power of two of the rows, ms of a step; sparse. */
  readonly #ms: number[] = [];

  observe(rows: number, ms: number): void {
    const at = sizeOf(rows);
    const known = this.#ms[at];
    this.#ms[at] = known === undefined ? ms : NEWEST * ms + (1 - NEWEST) * known;
  }

  /** The usual maximum duration of a step of `rows` rows; undefined before any was measured. */
  expectedMs(rows: number): number | undefined {
    const at = sizeOf(rows);
    for (let size = at; size >= 0; size -= 1) {
      const known = this.#ms[size];
      if (known !== undefined) return known * 2 ** (at - size);
    }
    return this.#ms.find((known) => known !== undefined);
  }
}

/** 0 for one row, 1 for two, 2 for up to four, 3 for up to eight. */
function sizeOf(rows: number): number {
  return 32 - Math.clz32(rows - 1);
}
