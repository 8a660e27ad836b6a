/** What was measured so far, and what it says about the targets. */
import { digits, markdownTable, median, spread } from "./figures.ts";
import type { Measure, Target } from "./measures.ts";
import type { Peer } from "./peers.ts";

export interface Row {
  readonly measure: string;
  readonly unit: Measure["unit"];
  readonly ours: readonly number[];
  /** Of the fastest variant, if there were several. */
  readonly theirs: readonly number[];
  readonly variant?: string;
  /** Ours divided by theirs, medians; null when one is missing. */
  readonly ratio: number | null;
  /** What the target bounds; null when it was not measured. */
  readonly judged: number | null;
  readonly target?: Target;
  readonly verdict: "met" | "missed" | "not measured" | "";
  readonly failures: readonly string[];
}

export class Samples {
  readonly #taken = new Map<string, Taken>();

  /** One measurement. One that fails is reported in its row, and the others go on. */
  async take(measure: Measure, peer: Peer): Promise<void> {
    if (measure.runsOn?.(peer) === false) return;
    const taken: Taken = this.#taken.get(measure.name) ?? { measure, figures: new Map(), failures: [] };
    this.#taken.set(measure.name, taken);
    const who = peer.side === "ours" ? "ours" : (peer.variant ?? "");
    try {
      const value = await measure.run(peer);
      const figures = taken.figures.get(who) ?? [];
      taken.figures.set(who, [...figures, value]);
      const label = peer.side === "ours" ? "continuo" : `llama-server ${peer.variant ?? ""}`.trim();
      process.stderr.write(`${measure.name}, ${label}: ${digits(value)} ${measure.unit}\n`);
    } catch (error) {
      taken.failures.push(`${who}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  rows(): readonly Row[] {
    return Array.from(this.#taken.values(), (taken) => this.#row(taken));
  }

  table(): string {
    const columns = [
      { title: "measure", isNumber: false },
      { title: "continuo", isNumber: true },
      { title: "llama-server", isNumber: true },
      { title: "ratio", isNumber: true },
      { title: "target", isNumber: true },
      { title: "", isNumber: false },
    ];
    const rows = this.rows();
    const lines = rows.map(({ measure, unit, ours, theirs, variant, ratio, target, verdict }) => [
      `${measure}, ${unit}`,
      spread(ours),
      spread(theirs) + (variant === undefined ? "" : ` ${variant}`),
      ratio === null ? "–" : ratio.toFixed(3),
      target === undefined ? "" : bound(target),
      verdict,
    ]);
    const failures = rows.flatMap(({ measure, failures }) => failures.map((text) => `${measure}: ${text}\n`));
    return [markdownTable(columns, lines), ...failures].join("");
  }

  #row({ measure, figures, failures }: Taken): Row {
    const { name, unit, target } = measure;
    const ours = figures.get("ours") ?? [];
    const [variant, theirs] = fastest(figures, unit);
    const ratio = finite(median(ours) / median(theirs));
    const judged = target === undefined ? null : this.#judged(target, ours, ratio);
    return {
      ...{ measure: name, unit, ours, theirs, ratio, judged, failures },
      ...(variant !== "" && { variant }),
      ...(target !== undefined && { target }),
      verdict: target === undefined ? "" : verdict(judged, target),
    };
  }

  #judged({ of }: Target, ours: readonly number[], ratio: number | null): number | null {
    if (of === undefined) return ratio;
    return finite(median(ours) / (of === "itself" ? 1 : median(this.#taken.get(of)?.figures.get("ours") ?? [])));
  }
}

interface Taken {
  readonly measure: Measure;
  /** By `ours` or llama-server's variant, which may be empty. */
  readonly figures: Map<string, readonly number[]>;
  readonly failures: string[];
}

function fastest(figures: Taken["figures"], unit: Measure["unit"]): readonly [string, readonly number[]] {
  const theirs = [...figures].filter(([who]) => who !== "ours");
  const sign = unit === "tok/s" ? -1 : 1;
  return theirs.sort(([, a], [, b]) => sign * (median(a) - median(b)))[0] ?? ["", []];
}

function verdict(judged: number | null, target: Target): Row["verdict"] {
  if (judged === null) return "not measured";
  const isMet = "atLeast" in target ? judged >= target.atLeast : judged <= target.atMost;
  return isMet ? "met" : "missed";
}

function bound(target: Target): string {
  const text = "atLeast" in target ? `≥ ${target.atLeast}` : `≤ ${target.atMost}`;
  if (target.of === undefined) return text;
  return target.of === "itself" ? `${text} itself` : `${text} of ${target.of}`;
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
