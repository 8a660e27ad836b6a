"""LangChain's OpenAI class, which sends the prompt as an array and n: 1."""

import os

from langchain_openai import OpenAI

model = OpenAI(
    base_url=os.environ["CONTINUO_TEST_URL"] + "/compatible-mode/v1",
    api_key=os.environ["DASHSCOPE_API_KEY"],
    model="qwen2.5-coder-32b-instruct",
    max_tokens=48,
)
print(model.invoke("<|fim_prefix|>def quick_sort(arr):<|fim_suffix|>"), end="")
