import { createParser, type ParseError } from "eventsource-parser";

/** Longest event accepted, UTF-16 units. Real ones stay below 64 KiB; this bounds the memory of a connection. */
const MAX_EVENT_UNITS = 1 << 20;

/** An event stream that cannot be read on. */
export class BadStream extends Error {
  override readonly name = "BadStream";
}

/**
 * Server-sent events out of bytes that arrive in any pieces. What they say does not depend on where the bytes were cut.
 *
 * @throws BadStream for an event that is too long.
 */
export class EventReader {
  readonly #decoder = new TextDecoder();
  #events: string[] = [];
  #failure: BadStream | undefined;
  readonly #parser = createParser({
    maxBufferSize: MAX_EVENT_UNITS,
    onEvent: ({ data }) => this.#events.push(data),
    onError: (error) => this.#note(error),
  });

  /** The `data` of the events that are complete now. */
  push(bytes: Uint8Array): readonly string[] {
    return this.#feed(this.#decoder.decode(bytes, { stream: true }));
  }

  /** Those that lack only the empty line behind them: not every server sends it after the last. */
  end(): readonly string[] {
    return this.#feed(`${this.#decoder.decode()}\n\n`);
  }

  #feed(text: string): readonly string[] {
    this.#parser.feed(text);
    if (this.#failure !== undefined) throw this.#failure;
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #note({ type, field, value = "" }: ParseError): void {
    if (type === "max-buffer-size-exceeded") this.#failure = new BadStream("an event of more than 1 MiB");
    // llama-server before 2025 reports what goes wrong within a stream in a field of its own.
    if (type === "unknown-field" && field === "error") this.#events.push(`{"error":${value}}`);
  }
}
