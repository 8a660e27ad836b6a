/** One thing that was looked at. */
export interface Finding {
  /** Such as `platform`, `port` or `model coder`. */
  readonly what: string;
  /** ok: as it should be. warning: it works, but worse than it could. problem: something will not work. */
  readonly state: "ok" | "warning" | "problem";
  /** What was found. */
  readonly found: string;
  /** What to do; present unless the state is ok. */
  readonly advice?: string;
}

export function ok(what: string, found: string): Finding {
  return { what, state: "ok", found };
}

export function warning(what: string, found: string, advice: string): Finding {
  return { what, state: "warning", found, advice };
}

export function problem(what: string, found: string, advice: string): Finding {
  return { what, state: "problem", found, advice };
}

/** `531 MiB`, `7.5 GiB`. */
export function inBytes(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

/** What the error says, or the error itself where it says nothing. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
