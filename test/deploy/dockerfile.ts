/** The little of Dockerfiles and .dockerignore that ours use. */

/** Name in capitals and the rest, comments left out. Throws at what this reader does not know. */
export function instructionsOf(source: string): readonly (readonly [name: string, rest: string])[] {
  const lines = source.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  return lines.map((line) => {
    const [, name, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? [];
    if (name === undefined || rest === undefined || rest.endsWith("\\")) throw new Error(`not understood: ${line}`);
    return [name, rest.trim()] as const;
  });
}

/** True: the file or folder is not sent to the builder. The last line that fits decides; a folder is sent for what is in it. */
export function ignoredBy(source: string): (path: string) => boolean {
  const rules = source
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .map((line) => ({ keeps: line.startsWith("!"), pattern: line.replace(/^!/, "") }));
  return (path) => {
    const fitting = rules.filter(
      ({ pattern, keeps }) => fits(path, pattern) || (keeps && pattern.startsWith(`${path}/`)),
    );
    return fitting.at(-1)?.keeps === false;
  };
}

/** The path itself, or something below the pattern. */
function fits(path: string, pattern: string): boolean {
  const expression = pattern
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("**/", "(?:.*/)?")
    .replaceAll(/(?<!\.)\*/g, "[^/]*");
  return new RegExp(`^${expression}(?:/|$)`).test(path);
}
