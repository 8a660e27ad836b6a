import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { GapRule } from "../continuation/gap/gap-end.ts";
import type { StreamPart } from "../continuation/output.ts";

const NAME = "x-continuo-gap-end";

/**
 * Which rule ended an answer in a gap: `suffix`, `fence` or `marker`; with several choices one entry each, `none` where no
 * rule did. Nothing at all where none did for any.
 *
 * @param rules by choice.
 */
export function gapEndHeader(rules: readonly (GapRule | undefined)[]): OutgoingHttpHeaders {
  if (rules.every((rule) => rule === undefined)) return {};
  return { [NAME]: Array.from(rules, (rule) => rule ?? "none").join(", ") };
}

/** The header that announces a trailer of a stream. HTTP/1.0, which proxies may speak, has no trailers. */
export function gapEndTrailer({ httpVersion }: IncomingMessage): OutgoingHttpHeaders {
  return httpVersion === "1.0" ? {} : { trailer: NAME };
}

/** The same behind a stream, whose headers have left when its end is known. */
export class GapEnds {
  readonly #rules: (GapRule | undefined)[] = [];

  came(part: StreamPart): void {
    if (part.type === "finish") this.#rules[part.choice] = part.rule;
  }

  trailers(): Record<string, string> {
    return gapEndHeader(this.#rules) as Record<string, string>;
  }
}
