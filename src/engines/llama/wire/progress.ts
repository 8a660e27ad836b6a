/** What an engine process says of its work when it is asked. */
export interface Progress {
  /** Grows with everything that is finished: a step, a part of the load. */
  readonly count: number;
  /** What is under way, for people; absent: nothing. */
  readonly activity?: string;
  /** How long that takes by the measured speed, ms; absent: nobody knows yet. */
  readonly expectedMs?: number;
}

/** Blocks of 512 bytes or page faults that are progress; a few happen in a process that hangs, too. */
const TELLING_READS = 64;

/**
 * Progress with what the process has read: a step after a quiet night may have to read all of the weights again. The system
 * counts what it reads ahead as blocks only, and where it counts no blocks, page faults.
 */
export function withReads(
  progress: Progress,
  { majorPageFault, fsRead }: Pick<NodeJS.ResourceUsage, "majorPageFault" | "fsRead">,
): Progress {
  return { ...progress, count: progress.count + Math.floor((majorPageFault + fsRead) / TELLING_READS) };
}
