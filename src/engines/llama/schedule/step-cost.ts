/** Steps of these numbers of rows are told apart; the cost of others lies between. */
const NODES = [1, 2, 3, 4, 8, 16, 32, 64] as const;
/**
 * What steps cost before any was measured, in steps of one row. Dear, as on a processor without instructions for matrices: no
 * answer is slower for it, and a long copy pays all the same, after which it is known.
 */
const USUAL = [1, 2.2, 2.8, 3.2, 5, 8.3, 14.7, 24.5] as const;

/** Weight of the newest measurement in what the number of rows changes. */
const NEWEST = 0.25;
/** Weight of the newest measurement in how fast the machine is now. */
const NEWEST_SPEED = 0.15;
/** A step that took longer than this many times what was expected was held up by something else. */
const MOST_CHANGE = 1.5;
/** What remains of the difference from the usual cost with every step of another number of rows. */
const KEEP = 0.999;

/** What a step costs by its rows, in steps of one row. */
export interface StepCost {
  of(rows: number): number;
}

/** The same on every machine and at all times. */
export const USUAL_COST: StepCost = { of: (rows) => between(rows, USUAL) };

/**
 * What steps cost on this machine now. The speed of a machine that others use changes from step to step, so it is followed
 * apart from the cost of more rows, which changes slowly.
 */
export class MeasuredCost implements StepCost {
  /** By node, natural logarithm of how much dearer it is than usual; undefined before it was measured. */
  readonly #dearer: (number | undefined)[] = NODES.map(() => undefined);
  /** Milliseconds of a step of one row. */
  #unitMs: number | undefined;

  of(rows: number): number {
    return between(
      rows,
      USUAL.map((usual, node) => usual * Math.exp(this.#dearerAt(node))),
    );
  }

  /** @param ms how long a step of this many rows took, every row with an output. */
  observe(rows: number, ms: number): void {
    if (!(ms > 0)) return;
    this.#unitMs ??= ms / this.of(rows);
    const change = Math.log(clamped(ms / (this.#unitMs * this.of(rows))));
    this.#unitMs *= Math.exp(NEWEST_SPEED * change);
    // One row is the unit; only the others can be dearer or cheaper than usual.
    for (let node = 1; node < NODES.length; node += 1) {
      const share = nearness(rows, node);
      const before = this.#dearerAt(node);
      if (share > 0) this.#dearer[node] = before + NEWEST * share * change;
      else if (this.#dearer[node] !== undefined) this.#dearer[node] = KEEP * before;
    }
  }

  /** What nobody has measured is as much dearer than usual as the measured node nearest to it. */
  #dearerAt(node: number): number {
    for (let distance = 0; distance < NODES.length; distance += 1) {
      const known = this.#dearer[node - distance] ?? this.#dearer[node + distance];
      if (known !== undefined && node > 0) return known;
    }
    return 0;
  }
}

/** How much a step of `rows` says about a node: 1 at the node, 0 at its neighbours. */
function nearness(rows: number, node: number): number {
  const at = NODES[node] ?? 0;
  const neighbour = NODES[rows < at ? node - 1 : node + 1];
  if (neighbour === undefined) return rows >= at ? 1 : 0;
  return Math.max(0, 1 - (rows - at) / (neighbour - at));
}

/** Linear between the nodes, and beyond the last two. */
function between(rows: number, costs: readonly number[]): number {
  const above = Math.max(
    1,
    NODES.findIndex((node) => node >= rows),
  );
  const high = rows > 64 ? NODES.length - 1 : above;
  const [left = 1, right = 1] = [NODES[high - 1], NODES[high]];
  const [low = 1, top = 1] = [costs[high - 1], costs[high]];
  return low + ((rows - left) / (right - left)) * (top - low);
}

function clamped(change: number): number {
  return Math.min(MOST_CHANGE, Math.max(1 / MOST_CHANGE, change));
}
