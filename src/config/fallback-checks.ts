import type { Path } from "./document.ts";
import type { Finding } from "./engine-checks.ts";
import { nearest } from "./nearest.ts";
import type { ConfigFile } from "./schema.ts";

/** Fallbacks are other models, each once, and no way of fallbacks leads back to where it began. */
export function checkFallbacks({ models }: Pick<ConfigFile, "models">): Finding[] {
  const resolve = (name: string): string => models[name]?.use ?? name;
  const next = (name: string): readonly string[] => (models[resolve(name)]?.fallbacks ?? []).map(resolve);
  return Object.entries(models).flatMap(([name, { fallbacks = [] }]) =>
    fallbacks.flatMap((other, index): Finding[] => {
      const path: Path = ["models", name, "fallbacks", index];
      const message = whatIsWrong(other, fallbacks.indexOf(other) !== index, Object.keys(models), name);
      if (message !== undefined) return [{ path, message }];
      if (resolve(other) === resolve(name))
        return [{ path, message: `"${name}" cannot stand in for itself; leave it out` }];
      const round = wayTo(name, resolve(other), next);
      if (round === undefined) return [];
      const way = [name, ...round].map((each) => `"${each}"`).join(" falls back to ");
      return [{ path, message: `${way}; that one is overloaded then, so leave one of them out` }];
    }),
  );
}

function whatIsWrong(name: string, isRepeated: boolean, known: readonly string[], owner: string): string | undefined {
  if (isRepeated) return `"${name}" is a fallback already; name it once`;
  if (known.includes(name)) return undefined;
  const meant = nearest(
    name,
    known.filter((each) => each !== owner),
  );
  return `no model is named "${name}"; ${meant === undefined ? "add it under `models:`" : `did you mean "${meant}"?`}`;
}

/** From `at` to `name`; undefined: there is none. */
function wayTo(
  name: string,
  at: string,
  next: (name: string) => readonly string[],
  seen: Set<string> = new Set(),
): readonly string[] | undefined {
  if (at === name) return [at];
  if (seen.has(at)) return undefined;
  seen.add(at);
  for (const each of next(at)) {
    const rest = wayTo(name, each, next, seen);
    if (rest !== undefined) return [at, ...rest];
  }
  return undefined;
}
