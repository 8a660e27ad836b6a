/**
 * The same request gives the same text on Qwen2.5-Coder-0.5B-Instruct: greedy with drafts and without, and drawn with a seed,
 * plain and streamed, with other requests between. The server is idle otherwise.
 *
 *     npm run build && npx tsx test/weights/repeats.ts
 */
import { joinedText, post, postStream, textOf } from "../support/calls.ts";
import { QWEN_NAME } from "../support/qwen-weights.ts";
import { expectThat, Tally } from "../support/tally.ts";
import { startQwen } from "./qwen-server.ts";

const TOKENS = 40;

/** The OpenAI dialect: its usage tells the drafts that were accepted. */
const COMPLETIONS = "/v1/completions";
const CHAT = "/v1/chat/completions";

type Body = Readonly<Record<string, unknown>>;

const LIST = "const colours = [\n  { name: 'red', value: '#ff0000' },\n  { name: 'green', value: '#00ff00' },\n";
const PARAGRAPH =
  "The lighthouse keeper counted eleven ships before the fog came in, wrote the number into his book and lit the lamp.\n";
/** Texts that repeat themselves, so that drafts are accepted, and texts that do not. */
const PROMPTS: readonly (readonly [name: string, path: string, body: Body])[] = [
  ["a list goes on", COMPLETIONS, { prompt: LIST }],
  ["a table goes on", COMPLETIONS, { prompt: "| n | n * n |\n| - | ----- |\n| 1 | 1 |\n| 2 | 4 |\n| 3 | 9 |\n" }],
  [
    "a paragraph is copied",
    COMPLETIONS,
    { prompt: `${PARAGRAPH}${PARAGRAPH}${PARAGRAPH}The lighthouse keeper counted` },
  ],
  ["a function", COMPLETIONS, { prompt: "def quick_sort(arr):\n" }],
  ["a gap", COMPLETIONS, { prompt: "def add(a, b):\n    ", suffix: "\n\nprint(add(1, 2))\n" }],
  [
    "a cut word in a gap",
    COMPLETIONS,
    { prompt: "total = 0\nfor item in items:\n    tot", suffix: "\nprint(total)\n" },
  ],
  ["an answer", CHAT, { messages: [{ role: "user", content: "Name three rivers." }] }],
  ["Partial Mode in Chinese", CHAT, partial("请对“春天来了,大地”这句话进行续写", "春天来了,大地")],
  ["Partial Mode in English", CHAT, partial("Copy this twice: one two three four five six.", "one two thr")],
];

function partial(user: string, prefix: string): Body {
  return {
    messages: [
      { role: "user", content: user },
      { role: "assistant", content: prefix, partial: true },
    ],
  };
}

const tally = new Tally();
const server = await startQwen();
try {
  let accepted = 0;
  for (const [name, path, body] of PROMPTS) {
    await tally.check(`greedy, drafts on and off: ${name}`, async () => {
      const greedy = { ...body, temperature: 0 };
      const [drafted, plain] = [await ask(path, greedy), await ask(path, { ...greedy, speculation: false })];
      accepted += drafted.accepted;
      expectThat(drafted.text === plain.text, shown([drafted.text, plain.text]));
      return `${drafted.accepted} tokens drafted: ${JSON.stringify(plain.text)}`;
    });
  }
  await tally.check("drafts were accepted", async () => {
    expectThat(accepted > 0, "none");
    return `${accepted} tokens`;
  });
  for (const [name, path, body] of PROMPTS) {
    await tally.check(`seed 7, asked twice and streamed, with another between: ${name}`, async () => {
      const seeded = { ...body, temperature: 0.8, seed: 7 };
      const first = await ask(path, seeded);
      await ask(COMPLETIONS, { prompt: "Something else between", temperature: 0 });
      const again = await ask(path, seeded);
      const streamed = await postStream(server.url, path, { model: QWEN_NAME, max_tokens: TOKENS, ...seeded });
      const texts = [first.text, again.text, joinedText(streamed.events)];
      expectThat(new Set(texts).size === 1, shown(texts));
      return JSON.stringify(first.text);
    });
  }
} finally {
  await server.stop();
}
tally.finish();

async function ask(path: string, body: Body): Promise<{ readonly text: string; readonly accepted: number }> {
  const { status, text, json } = await post(server.url, path, { model: QWEN_NAME, max_tokens: TOKENS, ...body });
  expectThat(status === 200, text);
  return { text: textOf(json), accepted: json.usage.completion_tokens_details?.accepted_prediction_tokens ?? 0 };
}

function shown(texts: readonly string[]): string {
  return `${new Set(texts).size} texts:\n${texts.map((text) => `      ${JSON.stringify(text)}`).join("\n")}`;
}
