import { expect, test } from "vitest";
import { scheduling } from "../../../../test/support/scheduling.ts";
import { type Asked, loadNativeTiny } from "../../../../test/support/tiny-scheduler.ts";
import { spellBytes } from "../../../../test/support/tiny-vocabulary.ts";

const tiny = await loadNativeTiny();
const { withScheduler } = scheduling(tiny);

function idOf(...bytes: readonly number[]): number {
  const id = tiny.vocabulary.ids.get(spellBytes(Uint8Array.from(bytes)));
  if (id === undefined) throw new Error(`no token of the bytes ${bytes}`);
  return id;
}

const END = tiny.vocabulary.ids.get("<|im_end|>") ?? -1;
/** A weak model: halves of characters, a letter behind each, an end, and bytes that no text has. */
const BROKEN: Asked["logitBias"] = [
  ...[0xe6, 0xc3, 0xf0, 0x61, 0x62, 0xff].map((byte) => [idOf(byte), 400] as const),
  [END, 396] as const,
];

test.each([
  ["greedy", { temperature: 0 }],
  ["drawn", { temperature: 2 }],
  ["drawn from a few", { temperature: 2, topK: 5 }],
  ["penalized", { temperature: 1.5, presencePenalty: 2, repetitionPenalty: 1.3 }],
])("a model that leaves characters half-written answers with whole ones: %s", async (_, sampling) => {
  await withScheduler({ deterministic: false }, async (scheduler) => {
    let characters = 0;
    for (let seed = 0; seed < 12; seed += 1) {
      const asked: Asked = { sampling, seed: `${seed}`, logitBias: BROKEN, speculation: seed % 2 === 0, logprobs: 1 };
      const { text, generated, completionTokens, reason } = await scheduler
        .ask({ ...asked, prompt: `${seed}`, limits: { maxTokens: 1 + 3 * seed } })
        .answer();

      expect(text).not.toContain("\uFFFD");
      const bytes = Buffer.concat(generated.map((id) => tiny.model.bytes(id)));
      expect(new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true })).toBe(text);
      expect(completionTokens).toBe(generated.length - (reason === "stop" ? 1 : 0));
      characters += [...text].filter((character) => character > "\u007f").length;
    }
    expect(characters).toBeGreaterThan(5);
  });
});

test("an answer that ends inside a character by its limit ends before it", async () => {
  await withScheduler({}, async (scheduler) => {
    const asked: Asked = { logitBias: [[idOf(0xe6), 400]] };
    const whole = await scheduler.ask({ ...asked, limits: { maxTokens: 3 } }).answer();
    const cut = await scheduler.ask({ ...asked, limits: { maxTokens: 2 } }).answer();

    expect([...whole.text]).toHaveLength(1);
    expect(cut).toMatchObject({ text: "", reason: "length", completionTokens: 2 });
  });
});

test("the replacement character comes where the model writes that very character", async () => {
  await withScheduler({}, async (scheduler) => {
    const prompt = "x";
    const forced = [0xef, 0xbf, 0xbd].map((byte) => [idOf(byte), 300] as const);
    const { text } = await scheduler.ask({ prompt, logitBias: forced, limits: { maxTokens: 3 } }).answer();

    expect([...text]).toHaveLength(1);
    expect(Buffer.from(text)[0]).toBe(0xef);
  });
});

test("what the model says of itself is reported as it is, while a character is open too", async () => {
  await withScheduler({}, async (scheduler) => {
    const asked: Asked = { logprobs: 3, limits: { maxTokens: 2 } };
    const free = await scheduler.ask(asked).answer();
    const forced = await scheduler.ask({ ...asked, logitBias: [[idOf(0xe6), 400]] }).answer();

    expect(forced.logprobs[0]?.top).toEqual(free.logprobs[0]?.top);
    expect(forced.logprobs[1]?.logprob).toBeLessThan(forced.logprobs[1]?.top[0]?.logprob ?? -99);
  });
});

test("an answer that goes on in a new process is the same, also from inside a character", async () => {
  await withScheduler({}, async (scheduler) => {
    const asked: Asked = { sampling: { temperature: 2 }, seed: "5", logitBias: BROKEN, limits: { maxTokens: 30 } };
    const whole = await scheduler.ask(asked).answer();

    for (let at = 1; at < whole.generated.length; at += 1) {
      const resumed = await scheduler
        .ask({ ...asked, choices: [whole.generated.slice(0, at)], resumed: true })
        .answer();
      expect([...whole.generated.slice(0, at), ...resumed.generated]).toEqual(whole.generated);
      expect(whole.text.endsWith(resumed.text)).toBe(true);
    }
  });
});
