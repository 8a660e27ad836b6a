// The Partial Mode page's request with a system message. Prints the continuation.
import process from "node:process";
import OpenAI from "openai";

const client = new OpenAI({
  baseURL: `${process.env.CONTINUO_TEST_URL}/compatible-mode/v1`,
  apiKey: process.env.DASHSCOPE_API_KEY,
});
const answer = await client.chat.completions.create({
  model: "qwen-plus",
  messages: [
    { role: "system", content: "You are a helpful assistant." },
    { role: "user", content: "请对“春天来了,大地”这句话进行续写,来表达春天的美好和作者的喜悦之情" },
    { role: "assistant", content: "春天来了,大地", partial: true },
  ],
});
process.stdout.write(answer.choices[0].message.content);
