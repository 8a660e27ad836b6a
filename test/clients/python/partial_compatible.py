"""The Partial Mode page's request through the OpenAI SDK. Prints the continuation."""

import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ["CONTINUO_TEST_URL"] + "/compatible-mode/v1",
    api_key=os.environ["DASHSCOPE_API_KEY"],
)
answer = client.chat.completions.create(
    model="qwen-plus",
    messages=[
        {"role": "user", "content": "请对“春天来了,大地”这句话进行续写,来表达春天的美好和作者的喜悦之情"},
        {"role": "assistant", "content": "春天来了,大地", "partial": True},
    ],
)
print(answer.choices[0].message.content, end="")
