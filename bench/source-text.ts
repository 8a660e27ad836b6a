/** Program text to type and to copy: some files of this repository, one after another. */
import { readFileSync } from "node:fs";

const FILES = ["random.ts", "tally.ts", "server.ts", "gguf.ts", "llama-server.ts", "files.ts"];

/** About 6000 tokens. */
export function sourceText(): string {
  return FILES.map((name) => readFileSync(new URL(`../test/support/${name}`, import.meta.url), "utf8")).join("\n");
}
