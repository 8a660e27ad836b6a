import { ModelFailure } from "./failure.ts";

/** Longest name of a file, bytes; file systems allow 255, and a part of a download has a longer one. */
const MAX_BYTES = 230;

/** What no file name has on one of the systems: separators, signs that shells and Windows read otherwise. */
const FORBIDDEN = /[\\/:*?"<>|]/;
/** Control characters, direction marks, lone surrogates, line ends: they steer terminals, or hide what is there. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
/** Devices of Windows, with any ending. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** A file may have this name in the store, whatever the system, and a terminal shows it as it is. */
export function isFileName(name: string): boolean {
  return (
    name !== "" &&
    Buffer.byteLength(name) <= MAX_BYTES &&
    !FORBIDDEN.test(name) &&
    !INVISIBLE.test(name) &&
    !DEVICE.test(name) &&
    !name.startsWith(".") &&
    !/[. ]$/.test(name)
  );
}

/** Throws `ModelFailure` for a name that a file in the store must not have. @param where it comes from */
export function assertFileName(name: string, where: string): void {
  if (isFileName(name)) return;
  throw new ModelFailure(
    `${where} names a file ${quoted(name)}, which cannot be the name of a file here: expected at most ${MAX_BYTES} bytes ` +
      'without control characters, \\ / : * ? " < > |, a dot in front, or a dot or blank at the end. ' +
      "Pull another file of it, or rename the file where it comes from",
  );
}

/** Between quotes, with everything that is invisible spelled out. */
function quoted(name: string): string {
  const spelled = [...name].map((character) =>
    INVISIBLE.test(character) ? `\\u{${character.codePointAt(0)?.toString(16)}}` : character,
  );
  return `"${spelled.join("")}"`;
}
