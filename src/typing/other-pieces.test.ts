import { describe, expect, test } from "vitest";
import { NEVER, request } from "../../test/support/pooling.ts";
import { ScriptedEngine, type Step, startPart, usagePart } from "../../test/support/scripted-engine.ts";
import { collect, type DeltaPart, type FinishPart, type Result, type StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import { AnswerMemory } from "./answer-memory.ts";
import { rememberingEngine } from "./remembering-engine.ts";

const ENDS = { stop: finish("stop"), length: finish("length") };

function finish(reason: "stop" | "length"): FinishPart {
  return { type: "finish", choice: 0, reason };
}

function delta(text: string, over: Partial<DeltaPart> = {}): DeltaPart {
  return { type: "delta", choice: 0, text, ...over };
}

/** An engine that says these answers one after the other, and what it says with a memory before it. */
function remembering(...answers: readonly (readonly Step[])[]) {
  let calls = 0;
  const engine = new ScriptedEngine(() => [
    startPart({ promptTokens: 1 }),
    ...(answers[calls++] ?? []),
    usagePart(1, { promptTokens: 1 }),
  ]);
  const memory = new AnswerMemory({ bytes: 1 << 20, ageMs: 1000, now: () => 0 });
  const { generate } = rememberingEngine(engine, { memory, owner: "key", saysRests: true });
  const said = (typed: string, maxTokens: number): AsyncIterable<StreamPart> =>
    generate(asked(typed, maxTokens), NEVER);
  return { engine, said, type: (typed: string, most: number): Promise<Result> => collect(said(typed, most)) };
}

function asked(typed: string, maxTokens: number): ContinuationRequest {
  const input = { kind: "text", parts: [{ text: `x = ${typed}` }] } as const;
  const { limits } = request();
  return request({ input, sampling: { temperature: 0 }, limits: { ...limits, maxTokens } });
}

const textOf = ({ choices: [choice] }: Result): string | undefined => choice?.text;

describe("an engine that tells no tokens, and sends several with each piece of text", () => {
  const FEW = [delta("one "), delta("two "), ENDS.length];

  test("goes on behind a bound that it came to with fewer pieces", async () => {
    const { type } = remembering(FEW, [...FEW.slice(0, -1), delta("three"), ENDS.stop]);
    await type("", 9);

    const rest = await type("one ", 99);

    expect(textOf(rest)).toBe("two three");
    expect(rest.start.remembered).toBe("beginning");
  });

  test("is not asked again for the same", async () => {
    const { type, engine } = remembering(FEW);
    const first = await type("", 9);

    const again = await type("", 9);

    expect(again.choices).toEqual(first.choices);
    expect(engine.calls).toHaveLength(1);
  });

  test("is asked again where less is wanted: what its pieces hold is not known", async () => {
    const { type } = remembering([delta("one two "), delta("three "), ENDS.stop], [delta("one "), ENDS.length]);
    await type("", 9);

    expect(textOf(await type("", 2))).toBe("one ");
  });

  test("has all pieces of the known part counted", async () => {
    const { type, said } = remembering(FEW);
    await type("", 9);
    const counts: (number | undefined)[] = [];

    for await (const part of said("", 9)) if (part.type === "delta") counts.push(part.pieces);

    expect(counts).toEqual([2]);
  });
});

test.each([
  ["pieces", delta("one two three", { pieces: 3 }), { pieces: 1 }],
  ["tokens", delta("one two three", { tokens: [1, 2, 3] }), { tokens: [3] }],
])("what is new of a piece that begins in the known part counts without it, by its %s", async (_by, whole, count) => {
  const { type, said } = remembering([delta("one ", count), delta("two ", count), ENDS.length], [whole, ENDS.stop]);
  await type("", 2);
  const deltas: StreamPart[] = [];

  for await (const part of said("one ", 9)) if (part.type === "delta") deltas.push(part);

  expect(deltas.map((part) => (part.type === "delta" ? part.text : ""))).toEqual(["two ", "three"]);
  expect(deltas[1]).toMatchObject(count);
});

test("text that comes behind the last token, as it was held back, is part of the answer", async () => {
  const { type, engine } = remembering([delta("a ", { tokens: [1] }), delta("+", { tokens: [] }), ENDS.length]);
  await type("", 1);

  expect(textOf(await type("", 1))).toBe("a +");
  expect(engine.calls).toHaveLength(1);
});

test("a hidden thought counts as it did when the same is asked again", async () => {
  const { type } = remembering([delta("", { tokens: [1, 2] }), delta("a", { tokens: [3] }), ENDS.stop]);
  await type("", 9);

  const { usage } = await type("", 9);

  expect(usage).toMatchObject({ promptTokens: 1, completionTokens: 3 });
});

test("what a replica thought before another one answered is not remembered, nor an answer to a cut prompt", async () => {
  const other = [startPart({ promptTokens: 1 }), delta("a", { tokens: [2] }), ENDS.stop];
  const { type } = remembering([delta("", { tokens: [1] }), ...other]);
  await type("", 9);
  expect((await type("", 9)).usage.completionTokens).toBe(1);

  const cut = [startPart({ truncatedTokens: 4 }), delta("a", { tokens: [2] }), ENDS.stop];
  const second = remembering([delta("", { tokens: [1] }), ...cut], cut);
  await second.type("", 9);
  await second.type("", 9);
  expect(second.engine.calls).toHaveLength(2);
});

test("an engine that fails in its own way when it is told to stop leaves the known part", async () => {
  const { type } = remembering(
    [delta("return", { tokens: [1] }), ENDS.length],
    [delta("raise", { tokens: [2] }), new Error("the connection was closed")],
  );
  await type("", 1);

  expect(textOf(await type("re", 9))).toBe("turn");
});

test("what has been handed out is charged when the engine fails behind more than what was known", async () => {
  const away = new ServiceError("queue_full", "no room");
  const known = delta("ret", { tokens: [1] });
  const { type, said } = remembering([known, ENDS.length], [known, delta("urn", { tokens: [2] }), away]);
  await type("", 1);
  const types: string[] = [];

  const failing = (async () => {
    for await (const part of said("r", 9)) types.push(part.type);
  })();

  await expect(failing).rejects.toBe(away);
  expect(types).toEqual(["start", "delta", "delta", "usage"]);
});
