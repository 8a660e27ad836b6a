"""The completions page's second request: fill in between a prefix and a suffix. Prints the middle."""

import os

from openai import OpenAI

PREFIX = """def reverse_words_with_special_chars(s):
'''
反轉字串中的每個單詞(保留非字母字元的位置),並保持單詞順序。
    樣本:
    reverse_words_with_special_chars("Hello, world!") -> "olleH, dlrow!"
    參數:
        s (str): 輸入字串(可能包含標點符號)
    返回:
        str: 處理後的字串,單詞反轉但非字母字元位置不變
'''
"""
SUFFIX = "return result"

client = OpenAI(
    base_url=os.environ["CONTINUO_TEST_URL"] + "/compatible-mode/v1",
    api_key=os.environ["DASHSCOPE_API_KEY"],
)
answer = client.completions.create(
    model="qwen2.5-coder-32b-instruct",
    prompt=f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>",
)
print(answer.choices[0].text, end="")
