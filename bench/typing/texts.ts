/** Program text that people have typed: Python and TypeScript of this repository. */
import { readFileSync } from "node:fs";
import { sourceText } from "../source-text.ts";

export interface Text {
  readonly language: string;
  readonly lines: readonly string[];
}

export function texts(): readonly Text[] {
  const python = ["build.py", "humaneval.py"].map((name) => read(`../../eval/${name}`)).join("\n");
  return [
    { language: "Python", lines: python.split("\n") },
    { language: "TypeScript", lines: sourceText().split("\n") },
  ];
}

/** Numbers of lines worth typing, spread over the text. */
export function placesIn({ lines }: Text, count: number): readonly number[] {
  const fit = [...lines.keys()].filter(
    (at) => at >= 20 && at < lines.length - 10 && (lines[at] ?? "").trim().length >= 20,
  );
  return Array.from(
    { length: Math.min(count, fit.length) },
    (_, index) => fit[Math.floor((index * fit.length) / count)] ?? 0,
  );
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}
