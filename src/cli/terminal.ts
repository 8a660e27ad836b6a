/**
 * The two streams of a command: results go to standard output, everything said to a person goes to standard error.
 */
import { once } from "node:events";

/** A line for the person at the terminal. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Text for standard output, in pieces. */
export interface Output {
  /** Resolves when the piece was taken; slow readers slow the writer. Throws when nobody reads any more. */
  write(text: string): Promise<void>;
  /** On a terminal the last line is ended, so that the prompt does not stand behind it. */
  end(): void;
}

/** @param stream its bytes are exactly those written, except on a terminal, where control characters are shown and not obeyed. */
export function outputTo(stream: NodeJS.WriteStream): Output {
  const isTerminal = stream.isTTY === true;
  let lost: Error | undefined;
  let isLineOpen = false;
  stream.on("error", (error) => {
    lost = error;
  });
  return {
    write: async (text) => {
      if (lost !== undefined) throw lost;
      if (text === "") return;
      isLineOpen = !text.endsWith("\n");
      if (!stream.write(isTerminal ? visible(text) : text)) await once(stream, "drain");
    },
    end: () => {
      if (isTerminal && isLineOpen) stream.write("\n");
    },
  };
}

/** Generated text must not steer the terminal: control characters but newline and tab become their pictures (U+2400 block). */
export function visible(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  return text.replaceAll(/[\x00-\x08\x0b-\x1f\x7f]/g, (character) => {
    const code = character.charCodeAt(0);
    return String.fromCharCode(code === 0x7f ? 0x2421 : 0x2400 + code);
  });
}
