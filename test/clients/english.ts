/** Partial Mode on SmolLM2: what comes back must be English that belongs behind the prefix. */
import { type Answer, CHAT, joinedText, NATIVE, post, postStream, textOf } from "../support/calls.ts";
import { expectThat, type Tally } from "../support/tally.ts";

interface Expectation {
  readonly question: string;
  readonly prefix: string;
  /** Must occur in the greedy continuation. */
  readonly answer: RegExp;
}

const EXPECTATIONS: readonly Expectation[] = [
  { question: "What is the capital of France?", prefix: "The capital of France is", answer: /\bParis\b/ },
  { question: "What colour is the sky on a clear day?", prefix: "On a clear day the sky is", answer: /\bblue\b/ },
  { question: "Count from one to ten.", prefix: "One, two, three,", answer: /^ four, five\b/ },
  { question: "Who wrote Romeo and Juliet?", prefix: "Romeo and Juliet was written by", answer: /Shakespeare/ },
  { question: "How many days are in a week?", prefix: "There are", answer: /\b(7|seven)\b/ },
  { question: "Write a sentence about spring.", prefix: "In spring, the flowers", answer: /\b(bloom|blossom)/ },
];

/** Share of words that are plain English words or numbers, below which a text is no English. */
const WORD_SHARE = 0.8;

/** Greedy continuations, plain and streamed, on the compatible and the native route; they must agree. */
export async function checkEnglish(tally: Tally, url: string, key: string): Promise<void> {
  const headers = { authorization: `Bearer ${key}` };
  for (const { question, prefix, answer } of EXPECTATIONS) {
    await tally.check(`English: ${prefix} …`, async () => {
      const messages = [
        { role: "user", content: question },
        { role: "assistant", content: prefix, partial: true },
      ];
      const settings = { temperature: 0, repetition_penalty: 1, max_tokens: 24 };
      const compatible = { model: "qwen-plus", messages, ...settings };
      const parameters = { ...settings, result_format: "message", incremental_output: true };
      const native = { model: "qwen-plus", input: { messages }, parameters };
      const texts = [
        plainText(await post(url, CHAT, compatible, headers)),
        joinedText((await postStream(url, CHAT, compatible, headers)).events),
        plainText(await post(url, NATIVE, native, headers)),
        joinedText((await postStream(url, NATIVE, native, headers)).events),
      ];
      const text = texts[0] ?? "";
      expectThat(new Set(texts).size === 1, `plain and streamed differ: ${JSON.stringify(texts)}`);
      expectThat(!text.startsWith(prefix), `the prefix comes back: ${text}`);
      expectThat(answer.test(text), `${answer} does not occur in ${JSON.stringify(text)}`);
      expectThat(wordShare(text) >= WORD_SHARE, `no English: ${JSON.stringify(text)}`);
      return JSON.stringify(text);
    });
  }
}

function plainText(answer: Answer): string {
  expectThat(answer.status === 200, answer.text);
  return textOf(answer.json);
}

function wordShare(text: string): number {
  const words = text.split(/\s+/).filter((word) => word !== "");
  const plain = words.filter((word) => /^["'(]*[A-Za-z0-9'’-]+["')]*[.,;:!?]*["')]*$/.test(word));
  return words.length === 0 ? 0 : plain.length / words.length;
}
