/** UTF-8 byte by byte, as strict as the standard: no overlong forms, no surrogates, nothing above U+10FFFF. */

/** What the bytes so far leave open. `CLOSED` is between characters, `INVALID` what no text can have. */
export const CLOSED = 0;
export const INVALID = 8;

/**
 * Open states: which byte must come, and the state behind it. One continuation byte is missing in the first, two in the
 * second, three in the third; the others are behind E0, ED, F0 and F4, which not every byte may follow.
 */
const OPEN: readonly { readonly low: number; readonly high: number; readonly next: number }[] = [
  { low: 1, high: 0, next: INVALID }, // closed: see `afterLead`
  { low: 0x80, high: 0xbf, next: CLOSED },
  { low: 0x80, high: 0xbf, next: 1 },
  { low: 0x80, high: 0xbf, next: 2 },
  { low: 0xa0, high: 0xbf, next: 1 },
  { low: 0x80, high: 0x9f, next: 1 },
  { low: 0x90, high: 0xbf, next: 2 },
  { low: 0x80, high: 0x8f, next: 2 },
];

export function afterByte(state: number, byte: number): number {
  if (state === CLOSED) return afterLead(byte);
  const open = OPEN[state];
  return open !== undefined && byte >= open.low && byte <= open.high ? open.next : INVALID;
}

export function afterBytes(state: number, bytes: Uint8Array): number {
  let at = state;
  for (const byte of bytes) at = afterByte(at, byte);
  return at;
}

/** The bytes that may come in an open state. */
export function continuations(state: number): { readonly low: number; readonly high: number } {
  const { low, high } = OPEN[state] ?? { low: 1, high: 0 };
  return { low, high };
}

function afterLead(byte: number): number {
  if (byte < 0x80) return CLOSED;
  if (byte < 0xc2 || byte > 0xf4) return INVALID;
  if (byte < 0xe0) return 1;
  if (byte < 0xf0) return byte === 0xe0 ? 4 : byte === 0xed ? 5 : 2;
  return byte === 0xf0 ? 6 : byte === 0xf4 ? 7 : 3;
}
