/** Printing server-sent events. Every function returns whole events, each ending in an empty line. */

/** One event as OpenAI-shaped streams print it. JSON has no raw line breaks, so one `data` line is enough. */
export function dataEvent(data: unknown): string {
  return `data: ${JSON.stringify(data)}\n\n`;
}

/** Prints events that differ in their one choice alone: all the rest is turned into JSON once. @param chunk without choices. */
export function choiceEvents<Chunk extends { readonly choices: readonly unknown[] }>(
  chunk: Chunk,
): (choice: object) => string {
  // In a name that holds the same words, quotes are escaped.
  const [before, after] = JSON.stringify(chunk).split('"choices":[]', 2);
  return (choice) => `data: ${before}"choices":[${JSON.stringify(choice)}]${after}\n\n`;
}

/** Ends every OpenAI-shaped stream that did not fail. */
export const DONE_EVENT = "data: [DONE]\n\n";

export interface DashScopeEvent {
  /** Counts from 1 within a response. */
  readonly id: number;
  readonly event: "result" | "error";
  readonly status: number;
  readonly data: unknown;
}

/** One event of DashScope's own streams: no blanks after colons, the status as a comment (docs/wire.md 2.3.3). */
export function dashScopeEvent({ id, event, status, data }: DashScopeEvent): string {
  return `id:${id}\nevent:${event}\n:HTTP_STATUS/${status}\ndata:${JSON.stringify(data)}\n\n`;
}
