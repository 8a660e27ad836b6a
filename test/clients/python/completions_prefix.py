"""The completions page's first request: continue a prefix. Prints the continuation."""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ["CONTINUO_TEST_URL"] + "/compatible-mode/v1",
    api_key=os.environ["DASHSCOPE_API_KEY"],
)
answer = client.completions.create(
    model="qwen2.5-coder-32b-instruct",
    prompt="<|fim_prefix|>寫一個python的快速排序函數,def quick_sort(arr):<|fim_suffix|>",
)
print(answer.choices[0].text, end="")
