import type { StreamPart } from "../continuation/output.ts";
import { ServiceError } from "../errors.ts";

/** A name's part of the time that a caller waits for the first token, so that the names behind it have theirs. */
export class Share {
  readonly #over = new AbortController();
  readonly #timer: NodeJS.Timeout | undefined;

  /** @param leftMs for this name and the others; 0: without end. @param others names that can be asked next. */
  constructor(name: string, leftMs: number, others: number) {
    if (leftMs === 0 || others === 0) return;
    const ms = Math.max(1, Math.round(leftMs / (others + 1)));
    const message = `"${name}" had no token within ${ms} ms, and others can answer in its place`;
    this.#timer = setTimeout(() => this.#over.abort(new ServiceError("request_timeout", message)), ms);
  }

  /** Aborted with `request_timeout` when the time is over. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** The same parts. The first token ends the limit, shown or not: the engine is at work. */
  async *until(parts: AsyncIterable<StreamPart>): AsyncGenerator<StreamPart> {
    for await (const part of parts) {
      if (part.type !== "start") this.lift();
      yield part;
    }
  }

  lift(): void {
    clearTimeout(this.#timer);
  }
}
