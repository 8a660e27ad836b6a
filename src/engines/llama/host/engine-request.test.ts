import { describe, expect, test } from "vitest";
import { asking, never, READY, tinyEngines } from "../../../../test/support/tiny-engine.ts";
import { collect } from "../../../continuation/output.ts";
import type { ContinuationRequest } from "../../../continuation/request.ts";
import { gbnfOf } from "../../../continuation/shape.ts";

const { start, program } = tinyEngines();

describe("a request for the engine process", () => {
  /** Answers every request with the request itself. */
  const ECHOES = `process.on("message", (message) => {
    if (message.type === "load") process.send(${READY});
    if (message.type !== "generate") return;
    process.send({ type: "accepted", id: message.id, promptTokens: 1, truncatedTokens: 0 });
    const done = { id: message.id, choice: 0, generated: [], text: JSON.stringify(message), shown: [],
      finished: { reason: "stop", completionTokens: 0 } };
    process.send({ type: "step", running: [], outputs: [done], stats: { aborted: {} } });
  });`;

  function messages(): (request: ContinuationRequest) => Promise<Record<string, unknown>> {
    const engine = start({ script: program("echoes", ECHOES) });
    return async (request) => {
      const [choice] = (await collect(engine.generate(request, never))).choices;
      return JSON.parse(choice?.text ?? "");
    };
  }

  test("is interactive when it fills in or is short, else it is batch work", async () => {
    const { maxTokens: _, ...limits } = asking("").limits;
    const infill = { kind: "infill", context: [], prefix: "a", suffix: "", middle: "", writtenMarkers: 0 } as const;
    const messageFor = messages();
    const laneOf = async (over: Partial<ContinuationRequest>) => (await messageFor(asking("x", over)))["lane"];

    expect(await laneOf({ limits: { ...limits, maxTokens: 64 } })).toBe("interactive");
    expect(await laneOf({ limits: { ...limits, maxTokens: 65 } })).toBe("batch");
    expect(await laneOf({ limits })).toBe("batch");
    expect(await laneOf({ limits, input: infill })).toBe("interactive");
  });

  test("carries the seed as it is, or a fresh one", async () => {
    const messageFor = messages();
    const seedOf = async (seed?: number) =>
      (await messageFor(asking("x", { sampling: seed === undefined ? {} : { seed } })))["seed"];

    expect(await seedOf(7)).toBe("7");
    expect(await seedOf(-1)).toBe("18446744073709551615");
    expect(await seedOf()).not.toBe(await seedOf());
  });

  test("carries biases by id and says nothing that was not asked for", async () => {
    const message = await messages()(
      asking("x", { sampling: { temperature: 0, logitBias: new Map([[5, -100]]) }, logprobs: 0 }),
    );

    expect(message).toMatchObject({
      logitBias: [[5, -100]],
      sampling: { temperature: 0 },
      logprobs: 0,
      promptLogprobs: false,
      choices: [[]],
      resumed: false,
    });
    expect(Object.keys(message["sampling"] ?? {})).toEqual(["temperature"]);
  });

  test("carries the grammar that a schema comes to", async () => {
    const shape = { schema: { enum: ["yes"] }, path: "schema" };

    expect((await messages()(asking("x", { shape })))["grammar"]).toEqual({
      source: gbnfOf(shape),
      prefix: "",
    });
  });

  test("carries the defaults where the caller leaves something open", async () => {
    const defaults = { model: { temperature: 0.7, topK: 20, topP: 0.8 }, operator: { topK: 5, topP: 0.9 } };

    expect((await messages()(asking("x", { sampling: { topP: 1 }, defaults })))["sampling"]).toEqual({
      temperature: 0.7,
      topK: 5,
      topP: 1,
    });
  });
});
