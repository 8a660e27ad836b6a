import { expect, test } from "vitest";
import { Gathered } from "./gathered.ts";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("what is asked for in one turn is done together, in its order", async () => {
  const batches: (readonly number[])[] = [];
  const gathered = new Gathered(async (items: readonly number[]) => batches.push(items));

  const first = [gathered.run(1), gathered.run(2)];
  await turn();
  const second = gathered.run(3);

  expect(await Promise.all([...first, second])).toEqual([1, 1, 2]);
  expect(batches).toEqual([[1, 2], [3]]);
});

test("what cannot be done fails alone", async () => {
  const gathered = new Gathered(async (items: readonly number[]) => {
    if (items.includes(2)) throw new Error("no such workspace");
    return items.length;
  });

  const done = await Promise.allSettled([1, 2, 3].map((item) => gathered.run(item)));

  expect(done).toEqual([
    { status: "fulfilled", value: 1 },
    { status: "rejected", reason: new Error("no such workspace") },
    { status: "fulfilled", value: 1 },
  ]);
});

test("so many that they do not fit into a statement are several batches", async () => {
  const sizes: number[] = [];
  const gathered = new Gathered(async (items: readonly number[]) => void sizes.push(items.length));

  await Promise.all(Array.from({ length: 450 }, (_, item) => gathered.run(item)));

  expect(sizes).toEqual([200, 200, 50]);
});
