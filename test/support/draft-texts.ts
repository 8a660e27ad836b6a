/** Ten kinds of text, as prompt and answer, for what drafts bring and cost. The same on every machine. */
import { Random } from "./random.ts";

export interface DraftText {
  readonly kind: string;
  readonly prompt: string;
  readonly answer: string;
}

const NOUNS =
  "value list window garden river index buffer record server token price letter user table group event".split(" ");
const VERBS = "read write open close find count sort merge split parse send store check update print load".split(" ");
/** In no other text. */
const CHANGED = "quick brown fox jumps over lazy dog while seven wizards".split(" ");
const CHINESE = [
  ..."春天来了大地复苏河水流过山谷人们在田里劳动孩子放学回家写字读书老师说明天有雨请带伞城市的夜晚灯火很亮",
];

export function draftTexts(): readonly DraftText[] {
  const random = new Random(20_261_129);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random.uniform() * items.length)] as Item;
  const some = (count: number, make: (index: number) => string): string =>
    Array.from({ length: count }, (_, at) => make(at)).join("");
  const number = (below: number): number => Math.floor(random.uniform() * below);
  const name = (): string => `${pick(VERBS)}_${pick(NOUNS)}`;
  const method = (): string =>
    `def ${name()}(${pick(NOUNS)}, ${pick(NOUNS)}):\n    ${pick(NOUNS)} = ${name()}(${pick(NOUNS)})\n    if ${pick(NOUNS)} > ${number(99)}:\n        return ${name()}(${pick(NOUNS)}, ${number(99)})\n    return ${pick(NOUNS)}\n\n`;
  const sentence = (): string =>
    `${some(6 + number(9), () => `${pick(random.uniform() < 0.5 ? NOUNS : VERBS)}${random.uniform() < 0.3 ? `${pick(NOUNS)}s` : ""} `)}. `;
  const record = (at: number): string =>
    `  {"id": ${at}, "name": "${pick(NOUNS)} ${pick(NOUNS)}", "count": ${number(900)}, "tags": ["${pick(VERBS)}", "${pick(NOUNS)}"]},\n`;
  const file = some(12, method);
  const edited = wordsOf(file).map((word, at) => (at % 10 === 9 ? ` ${pick(CHANGED)}` : word));
  const changed = file
    .split("\n")
    .map((line, at) => (at % 6 === 3 ? `-${line}\n+${line.replace(/\d+/, "7")} # ${name()}` : ` ${line}`));
  const whole = (kind: string, text: string, share = 0.5): DraftText => {
    const at = Math.floor(text.length * share);
    return { kind, prompt: text.slice(0, at), answer: text.slice(at) };
  };
  return [
    { kind: "verbatim copy", prompt: `${file}# again:\n`, answer: file },
    { kind: "copy with every tenth word changed", prompt: `${file}# again:\n`, answer: edited.join("") },
    { kind: "code infill", prompt: some(8, method), answer: some(6, method) },
    { kind: "prose", prompt: some(30, sentence), answer: some(25, sentence) },
    whole("JSON records", `[\n${some(40, record)}`),
    whole(
      "repeated lines",
      some(60, (at) => `log.info("step ${Math.floor(at / 9)} of the build is done")\n`),
    ),
    whole(
      "numbers",
      some(60, (at) => `| ${at} | ${at * at} | ${number(9_999)} |\n`),
    ),
    whole(
      "Chinese",
      some(600, () => pick(CHINESE)),
    ),
    { kind: "diff", prompt: `${file}\n--- a\n+++ b\n`, answer: changed.join("\n") },
    whole(
      "random words",
      some(500, () => `${number(100_000).toString(36)} `),
    ),
  ];
}

/** Pieces as a vocabulary might have them: words with the blank before, single marks, single Chinese characters, digits. */
export function wordsOf(text: string): readonly string[] {
  return text.match(/ ?[A-Za-z]+|\d|\n\s*|[^\sA-Za-z\d]|\s/gu) ?? [];
}
