import fc from "fast-check";
import { expect, test } from "vitest";
import { PartQueue } from "./part-queue.ts";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function queue(): { parts: PartQueue<number>; flow: boolean[] } {
  const flow: boolean[] = [];
  return { parts: new PartQueue((paused) => flow.push(paused)), flow };
}

test("what is pushed comes out in order, however reading and writing interleave", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 40 }), async (reads) => {
      const { parts } = queue();
      const out = parts.drain();
      const seen: (number | undefined)[] = [];
      let pushed = 0;
      for (const read of reads) {
        if (!read) parts.push(pushed++);
        else if (seen.length < pushed) seen.push((await out.next()).value ?? undefined);
      }
      parts.end();

      expect([...seen, ...(await all(out))]).toEqual([...Array(pushed).keys()]);
    }),
    { numRuns: 300 },
  );
});

test("a reader that waits is woken by an item, and by the end", async () => {
  const { parts } = queue();
  const out = parts.drain();
  const first = out.next();
  parts.push(1);
  expect(await first).toEqual({ done: false, value: 1 });

  const last = out.next();
  parts.end();
  expect(await last).toEqual({ done: true, value: undefined });
});

test("a failure comes at once, before what is queued; the first one counts", async () => {
  const { parts } = queue();
  parts.push(1);
  parts.fail(new Error("first"));
  parts.fail(new Error("second"));

  await expect(parts.drain().next()).rejects.toThrow("first");
});

test("a failure wakes a reader that waits", async () => {
  const { parts } = queue();
  const next = parts.drain().next();
  parts.fail(new Error("gone"));

  await expect(next).rejects.toThrow("gone");
});

test("a reader far behind pauses the writer once, and lets it go on once it has caught up", async () => {
  const { parts, flow } = queue();
  const out = parts.drain();
  for (let item = 0; item < 63; item += 1) parts.push(item);
  expect(flow).toEqual([]);

  for (let item = 63; item < 80; item += 1) parts.push(item);
  expect(flow).toEqual([true]);
  expect(parts.paused).toBe(true);

  for (let item = 0; item < 63; item += 1) await out.next();
  expect(flow).toEqual([true]);
  await out.next();
  expect(flow).toEqual([true, false]);
  expect(parts.paused).toBe(false);

  parts.end();
  expect(await all(out)).toHaveLength(80 - 64);
  expect(flow).toEqual([true, false]);
});
