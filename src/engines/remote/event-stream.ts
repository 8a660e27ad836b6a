import { createParser, type ParseError } from "eventsource-parser";

/** Longest event accepted, UTF-16 units. Real ones stay below 64 KiB; this bounds the memory of a connection. */
const MAX_EVENT_UNITS = 1 << 20;

/** What an answer in pieces is read with. */
export interface PieceSplitter {
  /** The pieces that are complete now. Throws `BadStream` for one that is too long. */
  push(bytes: Uint8Array): readonly string[];
  /** Those that lack only what separates them from the next. */
  end(): readonly string[];
}

/** An event stream that cannot be read on. */
export class BadStream extends Error {
  override readonly name = "BadStream";
}

/**
 * Server-sent events out of bytes that arrive in any pieces. What they say does not depend on where the bytes were cut.
 *
 * @throws BadStream for an event that is too long.
 */
export class EventReader implements PieceSplitter {
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

/** JSON values on lines of their own (NDJSON), out of bytes that arrive in any pieces. Empty lines say nothing. */
export class LineReader implements PieceSplitter {
  readonly #decoder = new TextDecoder();
  #rest = "";

  push(bytes: Uint8Array): readonly string[] {
    return this.#split(this.#decoder.decode(bytes, { stream: true }));
  }

  end(): readonly string[] {
    return this.#split(`${this.#decoder.decode()}\n`);
  }

  #split(text: string): readonly string[] {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    if ([this.#rest, ...lines].some((line) => line.length > MAX_EVENT_UNITS))
      throw new BadStream("a line of more than 1 MiB");
    return lines.map((line) => line.trim()).filter((line) => line !== "");
  }
}
