// The completions page's second request: fill in between a prefix and a suffix. Prints the middle.
import process from "node:process";
import OpenAI from "openai";

const prefix = `def reverse_words_with_special_chars(s):
'''
反轉字串中的每個單詞(保留非字母字元的位置),並保持單詞順序。
    樣本:
    reverse_words_with_special_chars("Hello, world!") -> "olleH, dlrow!"
    參數:
        s (str): 輸入字串(可能包含標點符號)
    返回:
        str: 處理後的字串,單詞反轉但非字母字元位置不變
'''
`;
const suffix = "return result";

const client = new OpenAI({
  baseURL: `${process.env.CONTINUO_TEST_URL}/compatible-mode/v1`,
  apiKey: process.env.DASHSCOPE_API_KEY,
});
const answer = await client.completions.create({
  model: "qwen2.5-coder-32b-instruct",
  prompt: `<|fim_prefix|>${prefix}<|fim_suffix|>${suffix}<|fim_middle|>`,
});
process.stdout.write(answer.choices[0].text);
