/**
 * The samples of the two Model Studio pages, as their curl prints them, on the weights they name: plain and streamed, with the
 * pages' own count of prompt tokens. Greedy, and bounded, so that what they say can be told.
 *
 *     npm run build && npx tsx test/weights/pages.ts
 */
import { CHAT, COMPLETIONS, type Json, joinedText, NATIVE, post, postStream, textOf } from "../support/calls.ts";
import { expectThat, Tally } from "../support/tally.ts";
import { startQwen } from "./qwen-server.ts";

const QUESTION = "请对“春天来了,大地”这句话进行续写,来表达春天的美好和作者的喜悦之情";
const PREFIX = "春天来了,大地";
const PARTIAL = [
  { role: "user", content: QUESTION },
  { role: "assistant", content: PREFIX, partial: true },
];
const DESCRIPTION = `
反轉字串中的每個單詞(保留非字母字元的位置),並保持單詞順序。
    樣本:
    reverse_words_with_special_chars("Hello, world!") -> "olleH, dlrow!"
    參數:
        s (str): 輸入字串(可能包含標點符號)
    返回:
        str: 處理後的字串,單詞反轉但非字母字元位置不變
`;

interface Sample {
  readonly name: string;
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** What the page prints; undefined where it prints none. */
  readonly promptTokens?: number;
  check(text: string): void;
}

const SAMPLES: readonly Sample[] = [
  {
    name: "completions, prefix",
    path: COMPLETIONS,
    body: completion("<|fim_prefix|>寫一個python的快速排序函數,def quick_sort(arr):<|fim_suffix|>", 160),
    check: isQuickSort,
  },
  ...["'''", '"""'].map((quotes): Sample => {
    const prefix = `def reverse_words_with_special_chars(s):\n${quotes}${DESCRIPTION}${quotes}\n`;
    const prompt = `<|fim_prefix|>${prefix}<|fim_suffix|>return result<|fim_middle|>`;
    return { name: `completions, infill, ${quotes}`, path: COMPLETIONS, body: completion(prompt, 48), check: isNoEcho };
  }),
  {
    name: "Partial Mode, compatible",
    path: CHAT,
    body: { model: "qwen-plus", messages: PARTIAL, max_tokens: 48, temperature: 0 },
    promptTokens: 34,
    check: isChinese,
  },
  {
    name: "Partial Mode, compatible, with a system message",
    path: CHAT,
    body: {
      model: "qwen-plus",
      messages: [{ role: "system", content: "You are a helpful assistant." }, ...PARTIAL],
      max_tokens: 48,
      temperature: 0,
    },
    check: isChinese,
  },
  {
    name: "Partial Mode, native",
    path: NATIVE,
    body: {
      model: "qwen-plus",
      input: { messages: PARTIAL },
      parameters: { result_format: "message", max_tokens: 48, temperature: 0 },
    },
    promptTokens: 34,
    check: isChinese,
  },
];

function completion(prompt: string, maxTokens: number): Readonly<Record<string, unknown>> {
  return { model: "qwen2.5-coder-32b-instruct", prompt, max_tokens: maxTokens, temperature: 0 };
}

const tally = new Tally();
const server = await startQwen();
try {
  for (const { name, path, body, promptTokens, check } of SAMPLES) {
    await tally.check(name, async () => {
      const { status, text: raw, json } = await post(server.url, path, body);
      expectThat(status === 200, raw);
      const text = textOf(json);
      check(text);
      const counted: number = json.usage.prompt_tokens ?? json.usage.input_tokens;
      expectThat(promptTokens === undefined || counted === promptTokens, `${counted} prompt tokens`);
      const streamed = await streamedText(path, body);
      expectThat(streamed === text, `streamed ${JSON.stringify(streamed)}, plain ${JSON.stringify(text)}`);
      return `${counted} prompt tokens: ${JSON.stringify(text)}`;
    });
  }
} finally {
  await server.stop();
}
tally.finish();

async function streamedText(path: string, body: Json): Promise<string> {
  const asked = path === NATIVE ? { ...body, parameters: { ...body.parameters, incremental_output: true } } : body;
  return joinedText((await postStream(server.url, path, asked)).events);
}

function isNoEcho(text: string): void {
  expectThat(text.trim() !== "", "the continuation is blank");
  expectThat(!text.startsWith("def reverse_words"), `the continuation repeats the prefix: ${text}`);
  expectThat(!/<\|\w+\|>/.test(text), `a control token shows: ${text}`);
}

function isQuickSort(text: string): void {
  isNoEcho(text);
  for (const part of ["pivot", "quick_sort(", "return"]) expectThat(text.includes(part), `no ${part}: ${text}`);
}

function isChinese(text: string): void {
  const letters = text.replaceAll(/[\p{P}\s]/gu, "");
  const share = (letters.match(/\p{Script=Han}/gu) ?? []).length / letters.length;
  expectThat(letters.length >= 8 && share > 0.95, `no Chinese text: ${text}`);
  expectThat(!text.startsWith(PREFIX), `the continuation repeats the prefix: ${text}`);
}
