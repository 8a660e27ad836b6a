/** Streams as others document them, whole, byte by byte and cut anywhere: what they say is the same. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ServiceError } from "../../src/errors.ts";
import type { Heard } from "./peer-server.ts";

export interface Replay {
  readonly name: string;
  readonly stream: string;
  /** What the answer says. */
  readonly text: string;
  readonly usage: object;
  /** Stands in the stream only where it tells that the answer is over. */
  readonly end: string;
}

export function describeReplays<R extends Replay>(
  replays: readonly R[],
  heard: (replay: R, ...pieces: readonly Uint8Array[]) => Promise<Heard>,
): void {
  describe.each(replays)("$name", (replay) => {
    const stream = Buffer.from(replay.stream);
    const expectAnswer = ({ text, parts, error }: Heard): void => {
      expect([text, error]).toEqual([replay.text, undefined]);
      expect(parts.at(-1)).toEqual({ type: "usage", usage: replay.usage });
      expect(parts.filter(({ type }) => type === "finish").length).toBe(1);
    };

    test("whole", async () => expectAnswer(await heard(replay, stream)));

    test("byte by byte", async () => {
      expectAnswer(await heard(replay, ...Array.from(stream, (_, index) => stream.subarray(index, index + 1))));
    });

    test("cut anywhere", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(), { maxLength: 12 }), async (cuts) => {
          expectAnswer(await heard(replay, ...cutAt(stream, cuts)));
        }),
        { numRuns: 20 },
      );
    });

    test("broken off before its end is an error, after what was said", async () => {
      const at = stream.indexOf(replay.end);
      const { error } = await heard(replay, stream.subarray(0, at));

      expect(at).toBeGreaterThan(0);
      expect(error).toBeInstanceOf(ServiceError);
    });
  });
}

function cutAt(stream: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % stream.length))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => stream.subarray(from, at[index] ?? stream.length));
}
