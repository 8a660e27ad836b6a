import { describe, expect, test } from "vitest";
import type { StreamPart, TokenLogprob } from "../../../continuation/output.ts";
import type { AbortMessage, FlowMessage, GenerateMessage, StepOutput } from "../wire/messages.ts";
import { Job } from "./job.ts";

const REQUEST: Omit<GenerateMessage, "choices" | "resumed"> = {
  type: "generate",
  id: 7,
  lane: "batch",
  prompt: { sections: [], countOffset: 0 },
  limits: { stopStrings: [], stopSequences: [], maxInputTokens: 10, truncate: false },
  ends: [0],
  sampling: {},
  logitBias: [],
  seed: "5",
  promptLogprobs: false,
  healing: false,
  speculation: false,
};

function job(choices = 1, over: Partial<typeof REQUEST> = {}): { job: Job; sent: (FlowMessage | AbortMessage)[] } {
  const sent: (FlowMessage | AbortMessage)[] = [];
  const send = (message: FlowMessage | AbortMessage): boolean => sent.push(message) > 0;
  return { job: new Job({ ...REQUEST, ...over }, choices, { model: "weights", ignored: [] }, send), sent };
}

function output(over: Partial<StepOutput> = {}): StepOutput {
  return { id: 7, choice: 0, generated: [1], text: "a", shown: [1], ...over };
}

function accept(asked: Job, promptTokens = 5): void {
  asked.accept({ type: "accepted", id: 7, promptTokens, truncatedTokens: 2 });
}

async function partsOf(asked: Job): Promise<StreamPart[]> {
  const parts: StreamPart[] = [];
  for await (const part of asked.parts()) parts.push(part);
  return parts;
}

const DONE = { reason: "stop", completionTokens: 2 } as const;

describe("what the process says becomes parts", () => {
  test("start, deltas, a finish per choice, usage at the end", async () => {
    const { job: asked } = job(2, { speculation: true });
    accept(asked);
    asked.take(output({ cachedTokens: 3, drafted: { proposed: 8, accepted: 5 } }));
    asked.take(output({ choice: 1, text: "", shown: [], generated: [9], cachedTokens: 4 }));
    asked.take(output({ choice: 1, text: "", shown: [9], finished: { reason: "length", completionTokens: 1 } }));
    asked.take(output({ text: "b", finished: DONE, drafted: { proposed: 2, accepted: 0 } }));

    expect(asked.isDone).toBe(true);
    expect(await partsOf(asked)).toEqual([
      { type: "start", model: "weights", promptTokens: 5, truncatedTokens: 2, ignored: [], guarantee: "exact" },
      { type: "delta", choice: 0, text: "a", tokens: [1] },
      { type: "delta", choice: 1, text: "", tokens: [9] },
      { type: "finish", choice: 1, reason: "length" },
      { type: "delta", choice: 0, text: "b", tokens: [1] },
      { type: "finish", choice: 0, reason: "stop" },
      {
        type: "usage",
        usage: {
          promptTokens: 5,
          completionTokens: 3,
          cachedPromptTokens: 3,
          drafts: { proposed: 10, accepted: 5 },
          source: "engine",
        },
      },
    ]);
  });

  test("an echo stands before the text", async () => {
    const { job: asked } = job(1, { promptLogprobs: true });
    accept(asked);
    asked.echo({ type: "echo", id: 7, tokens: [{ bytes: [120], logprob: null }] });
    asked.take(output({ finished: DONE }));

    expect((await partsOf(asked)).map((part) => part.type)).toEqual(["start", "echo", "delta", "finish", "usage"]);
  });

  test("cached tokens never exceed the prompt tokens, which may not count all that was evaluated", async () => {
    const { job: asked } = job();
    accept(asked, 1);
    asked.take(output({ cachedTokens: 4, finished: DONE }));

    expect((await partsOf(asked)).at(-1)).toMatchObject({ usage: { promptTokens: 1, cachedPromptTokens: 1 } });
  });

  test("a refusal is the error it names", async () => {
    const { job: asked } = job();
    asked.refuse({ type: "refused", id: 7, code: "queue_full", message: "full", retryAfterMs: 1000 });

    await expect(partsOf(asked)).rejects.toMatchObject({
      code: "queue_full",
      message: "full",
      detail: { retryAfterMs: 1000 },
    });
    expect(asked.isDone).toBe(false);
  });
});

describe("log probabilities", () => {
  const scored = (text: string) => ({ bytes: [...Buffer.from(text)], logprob: -1, top: [] });
  const textOf = ({ bytes }: TokenLogprob) => Buffer.from(bytes).toString();

  test("come with the delta that shows their tokens, also when those were held back while the process died", async () => {
    const { job: asked } = job(1, { logprobs: 0 });
    accept(asked);
    asked.take(output({ generated: [1], shown: [], text: "", logprobs: [scored("a")] }));
    asked.take(output({ generated: [2], shown: [1], text: "a", logprobs: [scored("b")] }));
    asked.messages(); // to the next process
    asked.take(output({ generated: [3], shown: [2, 3], text: "bc", logprobs: [scored("c")] }));
    asked.take(output({ generated: [0], shown: [], text: "", logprobs: [scored("")], finished: DONE }));

    const deltas = (await partsOf(asked)).flatMap((part) => (part.type === "delta" ? [part] : []));
    expect(deltas.map(({ tokens, logprobs }) => [tokens, logprobs?.map(textOf)])).toEqual([
      [[1], ["a"]],
      [
        [2, 3],
        ["b", "c"],
      ],
    ]);
  });

  test("of a choice are its own", async () => {
    const { job: asked } = job(2, { logprobs: 0 });
    accept(asked);
    asked.take(output({ choice: 1, generated: [1], shown: [], text: "", logprobs: [scored("held")] }));
    asked.take(output({ choice: 0, generated: [2], shown: [2], text: "x", logprobs: [scored("x")], finished: DONE }));
    asked.take(
      output({ choice: 1, generated: [3], shown: [1, 3], text: "y", logprobs: [scored("y")], finished: DONE }),
    );

    const deltas = (await partsOf(asked)).flatMap((part) => (part.type === "delta" ? [part] : []));
    expect(deltas.map(({ choice, logprobs }) => [choice, logprobs?.map(textOf)])).toEqual([
      [0, ["x"]],
      [1, ["held", "y"]],
    ]);
  });
});

describe("what the next process is told", () => {
  test("at first, everything from the beginning", () => {
    expect(job(2).job.messages()).toEqual([{ ...REQUEST, choices: [[], []], resumed: false }]);
  });

  test("the tokens of every choice, shown or not, and which are over", () => {
    const { job: asked } = job(3);
    accept(asked);
    asked.take(output({ generated: [1, 2], shown: [1] }));
    asked.take(output({ choice: 1, generated: [5], finished: DONE }));
    asked.take(output({ generated: [3] }));

    expect(asked.messages()).toEqual([{ ...REQUEST, choices: [[1, 2, 3], null, []], resumed: true }]);
  });

  test("to score the prompt, as long as that has not been said", () => {
    const { job: asked } = job(1, { promptLogprobs: true });
    accept(asked);
    expect(asked.messages()).toMatchObject([{ promptLogprobs: true, resumed: true }]);

    asked.echo({ type: "echo", id: 7, tokens: [] });
    expect(asked.messages()).toMatchObject([{ promptLogprobs: false, resumed: true }]);
  });

  test("that the reader is still behind", async () => {
    const { job: asked, sent } = job();
    accept(asked);
    for (let count = 0; count < 80; count += 1) asked.take(output());

    expect(sent).toEqual([{ type: "flow", id: 7, paused: true }]);
    expect(asked.messages()).toMatchObject([{ type: "generate" }, { type: "flow", id: 7, paused: true }]);

    const parts = asked.parts();
    for (let count = 0; count < 70; count += 1) await parts.next();
    expect(sent.at(-1)).toEqual({ type: "flow", id: 7, paused: false });
    expect(asked.messages()).toHaveLength(1);
  });

  test("nothing, when its reader has left", async () => {
    const { job: asked } = job();
    accept(asked);
    for await (const _ of asked.parts()) break;

    expect(asked.isOpen).toBe(false);
  });

  test("the cache of a later process does not change what was said of the first", async () => {
    const { job: asked } = job();
    accept(asked);
    asked.take(output({ cachedTokens: 4 }));
    accept(asked);
    asked.take(output({ cachedTokens: 0, finished: DONE }));

    expect((await partsOf(asked)).at(-1)).toMatchObject({ usage: { cachedPromptTokens: 4 } });
  });
});

describe("a request that fails", () => {
  const GONE = new Error("gone");

  /** What it says last, before it throws `GONE`. */
  async function usageOf(asked: Job): Promise<unknown> {
    const parts: StreamPart[] = [];
    const reading = (async () => {
      for await (const part of asked.parts()) parts.push(part);
    })();
    await expect(reading).rejects.toBe(GONE);
    return parts.flatMap((part) => (part.type === "usage" ? [part.usage] : []))[0];
  }

  test("waits for what its process used, held back tokens included, and says so", async () => {
    const { job: asked, sent } = job(2);
    accept(asked);
    asked.take(output({ cachedTokens: 3, finished: DONE }));
    asked.take(output({ choice: 1, generated: [1, 2, 3], shown: [1] }));
    asked.fail(GONE);

    const usage = usageOf(asked);
    await new Promise((resolve) => setImmediate(resolve));
    expect(sent).toEqual([{ type: "abort", id: 7 }]);
    asked.aborted({ type: "aborted", id: 7, promptShare: 1, completionTokens: 4 });

    expect(await usage).toEqual({ promptTokens: 5, completionTokens: 6, cachedPromptTokens: 3, source: "engine" });
  });

  test("is charged for the part of its prompt that was evaluated", async () => {
    const { job: asked } = job();
    accept(asked, 100);
    asked.fail(GONE);

    const usage = usageOf(asked);
    await new Promise((resolve) => setImmediate(resolve));
    asked.aborted({ type: "aborted", id: 7, promptShare: 0.25, completionTokens: 0 });

    expect(await usage).toEqual({ promptTokens: 25, completionTokens: 0, source: "engine" });
  });

  test("says nothing of usage when it was never accepted", async () => {
    const { job: asked } = job();
    asked.lose(GONE);

    expect(await usageOf(asked)).toBeUndefined();
  });

  test.each(["lost", "given up"])("is charged for what was seen of it when its process is gone (%s)", async (how) => {
    const { job: asked } = job();
    accept(asked);
    asked.take(output({ generated: [1, 2], shown: [1] }));
    if (how === "lost") asked.lose(GONE);
    else asked.fail(GONE);

    const usage = usageOf(asked);
    await new Promise((resolve) => setImmediate(resolve));
    if (how === "given up") asked.processDied();

    expect(await usage).toEqual({ promptTokens: 5, completionTokens: 1, source: "estimate" });
  });

  test("after its last token is charged for all of it, without asking", async () => {
    const { job: asked, sent } = job();
    accept(asked);
    asked.take(output({ finished: DONE }));
    asked.fail(GONE);

    expect(await usageOf(asked)).toMatchObject({ promptTokens: 5, completionTokens: 2, source: "engine" });
    expect(sent).toEqual([]);
  });
});

test("what asks the same has the same fingerprint, whatever its id and seed, alone or in a batch", () => {
  const fingerprint = (over: Partial<typeof REQUEST>): string => job(1, over).job.fingerprint();

  expect(fingerprint({ id: 8, seed: "6", admitted: true })).toBe(fingerprint({}));
  expect(fingerprint({ grammar: { source: "root ::= x", prefix: "" } })).not.toBe(fingerprint({}));
});

test("there is nothing left to do for one that has failed or is done", () => {
  const { job: failed } = job();
  const { job: done } = job();
  expect([failed.isOpen, done.isOpen]).toEqual([true, true]);

  failed.fail(new Error("given up"));
  done.take(output({ finished: DONE }));

  expect([failed.isOpen, done.isOpen]).toEqual([false, false]);
});

test("logs name it by its call and tell its size, never its text", () => {
  const about = { model: "weights", ignored: [], requestId: "4f2a" };
  const asked = new Job(REQUEST, 2, about, () => true);
  expect(String(asked)).toBe("request 4f2a (a prompt not read yet, 0 generated)");

  accept(asked);
  asked.take(output({ generated: [1, 2] }));
  asked.take(output({ choice: 1, generated: [3] }));

  expect(String(asked)).toBe("request 4f2a (5 prompt tokens, 3 generated)");
});
