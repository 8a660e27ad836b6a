/**
 * Writes a test model to a file: `npx tsx test/support/write-model.ts tiny out.gguf`.
 */
import { writeQwenVocabularyModel } from "./qwen-model.ts";
import { writeTinyModel } from "./tiny-model.ts";

const WRITERS: Readonly<Record<string, (path: string) => void>> = {
  tiny: (path) => void writeTinyModel(path),
  "tiny-no-fim": (path) => void writeTinyModel(path, { fim: false }),
  "qwen-vocabulary": (path) => writeQwenVocabularyModel(path),
};

const [kind, path] = process.argv.slice(2);
const write = kind === undefined ? undefined : WRITERS[kind];
if (write === undefined || path === undefined) {
  process.stderr.write(`usage: write-model.ts ${Object.keys(WRITERS).join("|")} FILE\n`);
  process.exitCode = 2;
} else {
  write(path);
}
