/** Hours and months of UTC, which are what usage is counted by. */

export const HOUR_MS = 3_600_000;

/** Beginning of the hour. */
export function hourStartMs(epochMs: number): number {
  return Math.floor(epochMs / HOUR_MS) * HOUR_MS;
}

/** Months since the year 0: 12 × year + month from 0. */
export function monthOf(epochMs: number): number {
  const date = new Date(epochMs);
  return date.getUTCFullYear() * 12 + date.getUTCMonth();
}

/** Beginning of the month. */
export function monthStartMs(epochMs: number): number {
  const date = new Date(epochMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
}
