"""The Partial Mode page's request through the DashScope SDK. Prints the continuation."""

import os
import sys

import dashscope

dashscope.base_http_api_url = os.environ["CONTINUO_TEST_URL"] + "/api/v1"
answer = dashscope.Generation.call(
    api_key=os.environ["DASHSCOPE_API_KEY"],
    model="qwen-plus",
    messages=[
        {"role": "user", "content": "请对“春天来了,大地”这句话进行续写,来表达春天的美好和作者的喜悦之情"},
        {"role": "assistant", "content": "春天来了,大地", "partial": True},
    ],
    result_format="message",
)
if answer.status_code != 200:
    sys.exit(f"{answer.status_code} {answer.code}: {answer.message}")
print(answer.output.choices[0].message.content, end="")
