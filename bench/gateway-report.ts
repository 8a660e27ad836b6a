/** What bench/gateway.ts found, as a table: medians of the rounds, and ratios of ours to each peer's. */
import { type Column, digits, markdownTable, median, spread } from "./figures.ts";

/** Figures of one gateway by their names, one for each round. The engine itself is the first, ours the second. */
export interface Samples {
  readonly name: string;
  readonly samples: ReadonlyMap<string, readonly number[]>;
}

/** What the ratio to the better peer should be. */
interface Target {
  readonly is: "at most" | "at least";
  readonly ratio: number;
}

export function report(all: readonly Samples[]): string {
  const [direct, ours, ...peers] = all;
  if (direct === undefined || ours === undefined) throw new RangeError("nothing to compare");
  const columns: readonly Column[] = [
    { title: "figure", isNumber: false },
    ...all.map(({ name }) => ({ title: name, isNumber: true })),
    ...peers.map(({ name }) => ({ title: `of ${name.split(" ")[0]}`, isNumber: true })),
    { title: "target", isNumber: false },
  ];
  const rows = [...ours.samples.keys()].flatMap((figure) => {
    const plain = rowOf(figure, all, peers, targetOf(figure));
    if (!/, p\d+ ms$/.test(figure)) return [plain];
    const added = all.map(({ name, samples }): Samples => {
      const base = direct.samples.get(figure) ?? [];
      return { name, samples: new Map([[figure, minus(samples.get(figure) ?? [], base)]]) };
    });
    const [none, ...others] = added;
    if (none === undefined) return [];
    const row = rowOf(figure, added, others.slice(1), targetOf(figure));
    // In its own column the engine has what it takes by itself.
    return [[`added, ${row[0]}`, spread(direct.samples.get(figure) ?? []), ...row.slice(2)]];
  });
  return markdownTable(columns, rows);
}

function rowOf(
  figure: string,
  all: readonly Samples[],
  peers: readonly Samples[],
  target: Target | undefined,
): readonly string[] {
  const ours = all[1]?.samples.get(figure) ?? [];
  const ratios = peers.map(({ samples }) => ratiosOf(ours, samples.get(figure) ?? [], figure.endsWith("p99 ms")));
  return [
    figure,
    ...all.map(({ samples }) => shown(samples.get(figure) ?? [])),
    ...ratios.map((ratio) => spread(ratio)),
    target === undefined ? "" : verdict(target, ratios.map(median)),
  ];
}

/** One for each round, or that of the medians: what the slowest take is too uneven to be compared within a round. */
function ratiosOf(ours: readonly number[], theirs: readonly number[], isUneven: boolean): readonly number[] {
  if (isUneven) return [median(ours) / median(theirs)];
  return ours.map((value, round) => value / (theirs[round] ?? 0));
}

/** The engine itself is no process that a gateway is charged for. */
function shown(values: readonly number[]): string {
  return values.every((value) => value === 0) ? "–" : spread(values);
}

function verdict({ is, ratio }: Target, ratios: readonly number[]): string {
  const [sign, isMet] =
    is === "at most" ? ["≤", ratios.every((found) => found <= ratio)] : ["≥", ratios.every((found) => found >= ratio)];
  return `${sign} ${digits(ratio)} ${isMet ? "met" : "missed"}`;
}

function targetOf(figure: string): Target | undefined {
  if (figure.endsWith(", p50 ms")) return { is: "at most", ratio: 1 / 3 };
  if (figure.includes("/s, ")) return { is: "at least", ratio: 2 };
  return undefined;
}

function minus(values: readonly number[], base: readonly number[]): readonly number[] {
  return values.map((value, round) => value - (base[round] ?? 0));
}
