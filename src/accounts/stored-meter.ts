import type { ReservationRow, Store } from "../db/schema.ts";
import { Gathered } from "./gathered.ts";
import { type Admission, type Meter, type Reservation, rowOf } from "./meter.ts";
import { leave, type NodeIdentity, removeCrashed, see } from "./nodes.ts";
import { cancel, checkpoint, type Ending, insertReservation, insertUnlimited, settle } from "./reservations.ts";
import { type Keeper, RunningRequest } from "./running-request.ts";
import { StoredLimits } from "./stored-limits.ts";
import { Turns } from "./turns.ts";
import { oldestSecond } from "./windows.ts";

/** Milliseconds between two checkpoints; a quarter of the second that a crash may lose, so that a busy node keeps to it. */
const CHECKPOINT_EVERY_MS = 250;

/** Milliseconds between two signs of life, well within a node's lease. */
const SEEN_EVERY_MS = 5_000;

/** Milliseconds for which counts are kept beyond those that still matter: the clocks of nodes differ. */
const KEEP_COUNTS_MS = 60_000;

/**
 * Transactions at a time, besides the checkpoint, which waits for nobody. Those on one limit wait for each other anyway:
 * waiting here they take no connection from others, and no time limit of a connection runs.
 */
const TURNS = 4;

export interface StoredMeterOptions {
  readonly store: Store;
  readonly node: NodeIdentity;
  /** Epoch milliseconds, an integer. */
  readonly now: () => number;
  /** Told of what happens beside any request; for logs. */
  readonly report: (event: string, error?: unknown) => void;
}

/** The account in a store, shared with the other nodes on it. */
export class StoredMeter implements Meter {
  readonly #options: StoredMeterOptions;
  readonly #limits: StoredLimits;
  readonly #turns = new Turns(TURNS);
  readonly #running = new Set<RunningRequest>();
  /** Under way; none of it rejects. */
  readonly #work = new Set<Promise<void>>();
  /** Over, but the store did not take it. */
  readonly #unrecorded = new Map<string, Ending>();
  readonly #timers: NodeJS.Timeout[] = [];
  /** What many requests ask for at the same time is done for all of them in one transaction. */
  readonly #admitting: Gathered<ReservationRow, void>;
  readonly #writing: Gathered<RunningRequest, void>;
  readonly #settling: Gathered<Ended, ReadonlySet<string>>;

  constructor(options: StoredMeterOptions) {
    this.#options = options;
    this.#limits = new StoredLimits(options.store, options.now);
    const { store } = options;
    this.#admitting = new Gathered((rows) => this.#turns.run(() => insertUnlimited(store, rows)));
    this.#writing = new Gathered((requests) => this.#turns.run(() => this.#writeDue(requests)));
    this.#settling = new Gathered((ended) => this.#turns.run(() => settleAll(store, ended)));
  }

  /** Makes this node known, records what crashed nodes have left, and goes on doing so until `close()`. */
  async open(): Promise<void> {
    await this.lookAround();
    this.#every(CHECKPOINT_EVERY_MS, () => this.checkpoint());
    this.#every(SEEN_EVERY_MS, () => this.lookAround());
  }

  /** Records what is over. Requests that are still running are recorded as crashed by whoever comes next. */
  async close(): Promise<void> {
    for (const timer of this.#timers.splice(0)) clearInterval(timer);
    while (this.#work.size > 0) await Promise.all(this.#work);
    await this.#recordAgain();
    const { store, node } = this.#options;
    // Without a store a server still has to end; the others find later that this node is gone.
    await leave(store, node).catch(this.#reporting("this node could not be taken off the list of nodes"));
  }

  async reserve(admission: Admission): Promise<Reservation> {
    const { store, node, now } = this.#options;
    const limitIds = await this.#limits.idsFor(admission.workspaceId, admission.model);
    if (limitIds.length === 0) {
      const admittedAtMs = now();
      await this.#admitting.run(rowOf(admission, node.id, [], admittedAtMs));
      return this.#begin(admission, [], admittedAtMs);
    }
    return this.#turns.run(async () => {
      const admittedAtMs = now();
      const held = await insertReservation(store, rowOf(admission, node.id, limitIds, admittedAtMs));
      return this.#begin(admission, held, admittedAtMs);
    });
  }

  #begin(admission: Admission, limitIds: readonly string[], admittedAtMs: number): RunningRequest {
    const request = new RunningRequest(admission, limitIds, this.#keeper(admittedAtMs));
    this.#running.add(request);
    return request;
  }

  /** Writes what the running requests have used, and records what could not be recorded before. */
  async checkpoint(): Promise<void> {
    await this.#write([...this.#running].filter((request) => request.isDue));
    await this.#recordAgain();
  }

  /** Says that this node is there, and records what the crashed ones have left. */
  async lookAround(): Promise<void> {
    const { store, node, now, report } = this.#options;
    await see(store, node, now());
    await removeCrashed(store, node, now());
    const left = await store
      .selectFrom("reservations")
      .select("id")
      .where("node_id", "not in", (query) => query.selectFrom("nodes").select("id"))
      .execute();
    let recorded = 0;
    for (const { id } of left) recorded += (await settle(store, [id], crashed)).size;
    if (recorded > 0) report(`recorded ${recorded} requests that a crashed node has left`);
    await store
      .deleteFrom("limit_seconds")
      .where("second", "<", oldestSecond(now() - KEEP_COUNTS_MS))
      .execute();
  }

  #keeper(admittedAtMs: number): Keeper {
    const { store, now } = this.#options;
    return {
      now,
      write: (request) => this.#writing.run(request),
      record: (request, ending) => {
        this.#running.delete(request);
        return this.#record(request, ending);
      },
      forget: async (request) => {
        this.#running.delete(request);
        await request.written();
        await this.#turns
          .run(() => cancel(store, request.id, admittedAtMs))
          .catch(this.#reporting("a reservation could not be taken back"));
      },
    };
  }

  async #writeDue(requests: readonly RunningRequest[]): Promise<void> {
    await Promise.all(requests.map((request) => request.written()));
    await this.#write([...new Set(requests)].filter((request) => request.isDue));
  }

  /** Takes no turn: whoever calls it may hold one, and all turns could be held by such. */
  async #write(due: readonly RunningRequest[]): Promise<void> {
    if (due.length === 0) return;
    const { store, now } = this.#options;
    const progress = due.map((request) => request.progress());
    const writing = checkpoint(store, progress, now()).then(
      () => true,
      (error: unknown) => {
        this.#options.report("what the running requests use could not be written", error);
        return false;
      },
    );
    for (const [index, request] of due.entries()) {
      request.startWriting(writing.then((isWritten) => (isWritten ? progress[index]?.now : undefined)));
    }
    await writing;
  }

  #record(request: RunningRequest, ending: Ending): Promise<void> {
    const recording = request
      .written()
      .then(() => this.#settle(request.id, ending))
      .catch((error: unknown) => {
        this.#unrecorded.set(request.id, ending);
        this.#options.report(`the request ${request.id} could not be recorded; it will be tried again`, error);
      });
    return this.#tracked(recording);
  }

  async #recordAgain(): Promise<void> {
    for (const [id, ending] of [...this.#unrecorded]) {
      // Out of the way of whoever tries at the same time.
      this.#unrecorded.delete(id);
      await this.#settle(id, ending).catch((error: unknown) => {
        this.#unrecorded.set(id, ending);
        this.#options.report(`the request ${id} could not be recorded`, error);
      });
    }
  }

  async #settle(id: string, ending: Ending): Promise<void> {
    const recorded = await this.#settling.run({ id, ending });
    if (!recorded.has(id)) this.#options.report(`the request ${id} was recorded as crashed before it ended`);
  }

  /** One run at a time, which keeps no process from ending. */
  #every(ms: number, work: () => Promise<void>): void {
    let isBusy = false;
    const timer = setInterval(() => {
      if (isBusy) return;
      isBusy = true;
      const run = work().catch(this.#reporting("the account of usage could not be kept up to date"));
      void this.#tracked(run).then(() => {
        isBusy = false;
      });
    }, ms);
    timer.unref();
    this.#timers.push(timer);
  }

  async #tracked(work: Promise<void>): Promise<void> {
    this.#work.add(work);
    await work;
    this.#work.delete(work);
  }

  #reporting(event: string): (error: unknown) => void {
    return (error) => this.#options.report(event, error);
  }
}

/** A request that is over. */
interface Ended {
  readonly id: string;
  readonly ending: Ending;
}

function settleAll(store: Store, ended: readonly Ended[]): Promise<ReadonlySet<string>> {
  const endings = new Map(ended.map(({ id, ending }) => [id, ending]));
  return settle(store, [...endings.keys()], (row) => endings.get(row.id) ?? crashed(row));
}

/** What a crashed node has written of a request is what is charged for it. */
function crashed(row: ReservationRow): Ending {
  return {
    endedAtMs: row.seen_at_ms,
    promptTokens: row.prompt_tokens,
    completionTokens: row.completion_tokens,
    outcome: "crashed",
    isEstimate: true,
  };
}
