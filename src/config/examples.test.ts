import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadConfig } from "./load.ts";

const PAGES = [
  ...["README.md", "README.zh-CN.md", "docs/configuration.md", "docs/configuration.zh-CN.md"],
  ...["docs/cluster.md", "docs/cluster.zh-CN.md"],
];

/** Every YAML example of the documents, with the page it stands on. */
const EXAMPLES = PAGES.flatMap((page) => {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), "utf8");
  return [...text.matchAll(/```yaml\n([\s\S]*?)```/g)].map(
    (match, index) => [`${page}, example ${index + 1}`, match[1] ?? ""] as const,
  );
});

test("the documents have examples", () => {
  expect(EXAMPLES.length).toBeGreaterThanOrEqual(8);
});

test.each(EXAMPLES)("%s is a configuration", (_place, source) => {
  const surroundings = {
    env: Object.fromEntries([...source.matchAll(/api_key_env: (\w+)/g)].map(([, name]) => [name ?? "", "sk-test"])),
    cwd: "/",
    home: "/",
    platform: "linux",
    readFile: () => source,
    isFile: () => true,
    pulledModels: () => new Map(),
    builtInFile: () => undefined,
  } as const;

  expect(() => loadConfig({ config: "continuo.yaml" }, surroundings)).not.toThrow();
});
