"""Completions and Partial Mode streamed through the OpenAI SDK, with usage at the end."""

import os
import sys

from openai import OpenAI

client = OpenAI(
    base_url=os.environ["CONTINUO_TEST_URL"] + "/compatible-mode/v1",
    api_key=os.environ["DASHSCOPE_API_KEY"],
)
messages = [
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": "The capital of France is", "partial": True},
]
settings = {"model": "qwen-plus", "messages": messages, "temperature": 0, "max_tokens": 24}
plain = client.chat.completions.create(**settings)
text, usage = "", None
for chunk in client.chat.completions.create(**settings, stream=True, stream_options={"include_usage": True}):
    if chunk.choices:
        text += chunk.choices[0].delta.content or ""
    usage = chunk.usage or usage
if text != plain.choices[0].message.content:
    sys.exit(f"streamed {text!r}, plain {plain.choices[0].message.content!r}")
if usage is None or usage.total_tokens != plain.usage.total_tokens:
    sys.exit(f"usage of the stream is {usage}, of the plain answer {plain.usage}")
print(text, end="")
