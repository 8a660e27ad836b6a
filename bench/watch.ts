/** Memory and processor time of a running server and of its engines. */
import { median } from "./figures.ts";
import { pause } from "./measures.ts";
import { familyOf, processorMs, residentBytes } from "./processes.ts";

export interface MemoryFigures {
  /** Medians of the first and the last quarter of the watch, MB. */
  readonly serverMb: Change;
  /** All engine processes together. */
  readonly engineMb: Change;
}

export interface Change {
  readonly first: number;
  readonly last: number;
}

const SAMPLE_MS = 500;

/** Looks twice a second from `start` to `stop`. */
export class MemoryWatch {
  /** The server, then its engines. */
  readonly pids: readonly number[];
  readonly #server: number[] = [];
  readonly #engines: number[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(serverPid: number) {
    this.pids = familyOf(serverPid);
  }

  start(): void {
    const look = (): void => {
      const [server = 0, ...engines] = this.pids;
      this.#server.push(residentBytes([server]) / 2 ** 20);
      this.#engines.push(residentBytes(engines) / 2 ** 20);
    };
    look();
    this.#timer = setInterval(look, SAMPLE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  figures(): MemoryFigures {
    return { serverMb: change(this.#server), engineMb: change(this.#engines) };
  }
}

/** Of one processor, over the time that passes meanwhile. */
export async function cpuPercent(pids: readonly number[], durationMs: number): Promise<number> {
  const before = processorMs(pids);
  const startedMs = performance.now();
  await pause(durationMs);
  return (100 * (processorMs(pids) - before)) / (performance.now() - startedMs);
}

function change(samples: readonly number[]): Change {
  const quarter = Math.max(1, samples.length >> 2);
  return { first: median(samples.slice(0, quarter)), last: median(samples.slice(-quarter)) };
}
