import { expect, test } from "vitest";
import { byHeart, NEVER, pool, promising, request } from "../../test/support/pooling.ts";
import { collect, type StreamPart } from "../continuation/output.ts";

const broken = byHeart("upon a time", 4);
const whole = byHeart("upon a time");

test("a replica that keeps less than was promised does not go on, and another is asked", async () => {
  const { pool: three } = pool([promising("exact", broken), promising("emulated", whole), promising("exact", whole)]);

  const { start, choices } = await collect(three.generate(request(), NEVER));

  expect(start.guarantee).toBe("exact");
  expect(choices[0]?.text).toBe("upon a time");
  expect(three.poolStats().replicas.map(({ isUp }) => isUp)).toEqual([true, true, true]);
});

test("where there is no other, the answer breaks off", async () => {
  const { pool: two } = pool([promising("exact", broken), promising("emulated", whole)], { maxResumes: 1 });
  const said: StreamPart[] = [];

  const ended = (async () => {
    for await (const part of two.generate(request(), NEVER)) said.push(part);
  })();

  await expect(ended).rejects.toThrow("asked by instruction");
  expect(said.map((part) => (part.type === "delta" ? part.text : "")).join("")).toBe("upon");
});

test.each([
  ["native", "exact"],
  ["exact", "native"],
] as const)("an answer that began %s goes on with one that is %s", async (began, goesOn) => {
  const { pool: two } = pool([promising(began, broken), promising(goesOn, whole)]);

  const { start, choices } = await collect(two.generate(request(), NEVER));

  expect([start.guarantee, choices[0]?.text]).toEqual([began, "upon a time"]);
});
