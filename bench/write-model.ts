/**
 * Writes the model of the speed comparison to a file: `npx tsx bench/write-model.ts FILE`.
 */
import { CODER_05B_SHAPE, writeQwenVocabularyModel } from "../test/support/qwen-model.ts";

const path = process.argv[2];
if (path === undefined) {
  process.stderr.write("usage: write-model.ts FILE\n");
  process.exitCode = 2;
} else {
  writeQwenVocabularyModel(path, CODER_05B_SHAPE);
}
