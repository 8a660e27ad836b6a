/** A request went on with another replica. */
export interface PoolEvent {
  readonly from: string;
  readonly to: string;
  readonly reason: string;
  /** Completion tokens that the reader had by then; 0: the other one began anew. */
  readonly sentTokens: number;
  readonly callId?: string;
  readonly traceId?: string;
}

export interface PoolStats {
  /** Requests that another replica began anew, and answers that another one went on with, since the start. */
  readonly retries: number;
  readonly resumes: number;
  /** Requests that a second replica got while the first was silent, and those of them whose text came from it. */
  readonly hedges: number;
  readonly hedgeWins: number;
  readonly replicas: readonly ReplicaFigures[];
}

export interface ReplicaFigures {
  readonly name: string;
  readonly running: number;
  readonly isUp: boolean;
  readonly isBroken: boolean;
  /** Since the start. */
  readonly failures: number;
}
