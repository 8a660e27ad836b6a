/**
 * The two streams of a command: results go to standard output, everything said to a person goes to standard error.
 */
import { once } from "node:events";
import { visible } from "../visible.ts";

/** A line for the person at the terminal. What it quotes may come from anywhere: it steers nothing. */
export function say(line: string): void {
  process.stderr.write(`${visible(line)}\n`);
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
