/**
 * A small byte-level vocabulary in the manner of Qwen's: 256 byte tokens, merges for some words, control tokens.
 */
import { CONTROL_TOKENS } from "../../src/continuation/input.ts";

export interface Vocabulary {
  /** Spelling by id, bytes written the GPT-2 way. */
  readonly tokens: readonly string[];
  /** llama.cpp's token types by id. */
  readonly types: readonly number[];
  /** Two token spellings with a blank between, most urgent first. */
  readonly merges: readonly string[];
  /** Ids by spelling. */
  readonly ids: ReadonlyMap<string, number>;
}

export interface VocabularyOptions {
  /** Control tokens there are. Default: Qwen's nine and four more. */
  readonly controlTokens?: readonly string[];
  /** Ids that control tokens get; those not named come after all other tokens, in order. */
  readonly controlIds?: Readonly<Record<string, number>>;
  /** `false`: no merges, so that any text has exactly one tokenization, a token per byte. Default `true`. */
  readonly words?: boolean;
}

/** Token types of llama.cpp (`LLAMA_TOKEN_TYPE_*`, llama.h). */
export const TOKEN_TYPE = { normal: 1, control: 3, userDefined: 4, unused: 5 } as const;

export const TINY_CONTROL_TOKENS: readonly string[] = [
  ...CONTROL_TOKENS,
  "<|object_ref_start|>",
  "<|object_ref_end|>",
  "<|box_start|>",
  "<|box_end|>",
];

/** Throws a RangeError when `controlIds` leaves a hole or names an unknown token. */
export function tinyVocabulary(options: VocabularyOptions = {}): Vocabulary {
  const controls = options.controlTokens ?? TINY_CONTROL_TOKENS;
  const { spellings, merges } = options.words === false ? { spellings: BYTE_SPELLINGS, merges: [] } : mergedTokens();
  const size = spellings.length + controls.length;
  const controlAt = placeControls(controls, options.controlIds ?? {}, size);
  const tokens: string[] = [];
  const types: number[] = [];
  let next = 0;
  for (let id = 0; id < size; id += 1) {
    const control = controlAt.get(id);
    tokens.push(control ?? spellings[next++] ?? "");
    types.push(control === undefined ? TOKEN_TYPE.normal : TOKEN_TYPE.control);
  }
  return { tokens, types, merges, ids: new Map(tokens.map((token, id) => [token, id])) };
}

/**
 * GPT-2's spelling of bytes: printable Latin-1 stands for itself, the other 68 bytes are moved to U+0100 and up
 * (`bytes_to_unicode` in OpenAI's gpt-2 repository).
 */
export function spellBytes(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => BYTE_SPELLINGS[byte]).join("");
}

/** The bytes that a spelling stands for. Throws a RangeError on a character that stands for no byte. */
export function unspellBytes(spelling: string): Uint8Array {
  return Uint8Array.from(spelling, (character) => {
    const byte = BYTES_BY_SPELLING.get(character);
    if (byte === undefined) throw new RangeError(`${character} spells no byte`);
    return byte;
  });
}

const BYTE_SPELLINGS = byteSpellings();
const BYTES_BY_SPELLING = new Map(BYTE_SPELLINGS.map((character, byte) => [character, byte]));

function byteSpellings(): readonly string[] {
  let moved = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(isPrintable ? byte : moved++);
  });
}

/** Ids of the control tokens, by id. */
function placeControls(
  controls: readonly string[],
  wanted: Readonly<Record<string, number>>,
  size: number,
): ReadonlyMap<number, string> {
  const placed = new Map<number, string>();
  for (const [token, id] of Object.entries(wanted)) {
    if (!controls.includes(token)) throw new RangeError(`${token} is not among the control tokens`);
    if (id < 0 || id >= size || placed.has(id)) throw new RangeError(`id ${id} is taken, or beyond ${size - 1}`);
    placed.set(id, token);
  }
  let free = size - 1;
  for (const token of controls.filter((name) => wanted[name] === undefined).reverse()) {
    while (placed.has(free)) free -= 1;
    placed.set(free, token);
  }
  return placed;
}

/** The 256 bytes, then every beginning of every word: a merge adds one byte (in Chinese, one character) at a time. */
function mergedTokens(): { spellings: readonly string[]; merges: readonly string[] } {
  const spellings = new Set(BYTE_SPELLINGS);
  const merges: string[] = [];
  const merge = (left: string, right: string): string => {
    const merged = left + right;
    if (!spellings.has(merged)) {
      spellings.add(merged);
      merges.push(`${left} ${right}`);
    }
    return merged;
  };
  const whole = (text: string): string => Array.from(spell(text)).reduce(merge);
  for (const word of [...WORDS, ...WORDS.map((word) => ` ${word}`)]) whole(word);
  for (const indent of INDENTS) whole(indent);
  for (const word of CHINESE) Array.from(word, whole).reduce(merge);
  return { spellings: [...spellings], merges };
}

function spell(text: string): string {
  return spellBytes(Buffer.from(text, "utf8"));
}

const INDENTS = ["\n\n", "    ", "        ", "\t\t", "):\n", "();\n", " == ", " => "] as const;

const WORDS = (
  "the of and to in is was for that with are this from have not but they were which their said each about how " +
  "out them then she many some would make like him into time has look two more write see number way could people " +
  "first water been call who find long down day did get come made may part over new sound take only little work " +
  "know place year live back give most very after thing name good sentence man think great where help through " +
  "much before line right too means old any same tell follow came want show also around form three small set put " +
  "end does another well large must big even such because turn here why went read need land different home move " +
  "try kind hand picture again change off play spell air away animal house point page letter mother answer found " +
  "study still learn should world high every near add food between own below country plant last school father " +
  "keep tree never start city earth eye light thought head under story saw left few while along might close " +
  "something seem next hard open example begin life always those both paper together got group often run spring " +
  "summer autumn winter rain river mountain morning evening garden window music " +
  "def return self import class function const let var async await string length range print list dict true false " +
  "None null else elif except lambda yield break continue export default interface static public private void int " +
  "float double bool array index value result error request response server client token stream buffer module"
).split(" ");

const CHINESE = (
  "春天 夏天 秋天 冬天 今天 明天 我们 他们 自己 什么 没有 知道 时间 世界 中国 北京 大地 花儿 小鸟 阳光 微风 河水 " +
  "快乐 文章 排序 函数 代码 程序 快速 请用 帮我 写一 这是 不是 可以 因为 所以 但是 如果 已经 还有 的 了 在 和 ， 。 ： 😀 🚀"
).split(" ");
