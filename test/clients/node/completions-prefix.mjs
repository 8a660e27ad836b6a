// The completions page's first request: continue a prefix. Prints the continuation.
import process from "node:process";
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.CONTINUO_TEST_URL}/compatible-mode/v1`,
  apiKey: process.env.DASHSCOPE_API_KEY,
});
const answer = await client.completions.create({
  model: "qwen2.5-coder-32b-instruct",
  prompt: "<|fim_prefix|>寫一個python的快速排序函數,def quick_sort(arr):<|fim_suffix|>",
});
process.stdout.write(answer.choices[0].text);
