import type { NamedEngine } from "../telemetry/metrics.ts";

/** An engine in service, and what people may know of it. */
export interface ServingEngine extends NamedEngine {
  /** `llama.cpp`, the kind of an engine elsewhere, or `pool`. Absent: nobody has said. */
  readonly kind?: string;
  /** Base URL of an engine elsewhere, without secrets. */
  readonly url?: string;
  /** How it takes the beginning of an answer; undefined: not at all, not known yet, or as its replicas do. */
  readonly prefix?: () => string | undefined;
  /** Other engines in service that answer for it. Absent: it answers itself. */
  readonly replicas?: () => readonly ServingReplica[];
}

export interface ServingReplica {
  /** Of an engine in service. */
  readonly name: string;
  /** Requests that it was given and has not ended. */
  readonly running: number;
  /** It failed too often, and is left alone for a while. */
  readonly isBroken: boolean;
}

/** A replica with what its engine says of itself. */
export interface ReplicaState {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
  readonly circuit: "open" | "closed";
  readonly running: number;
}

export function replicaStates(
  replicas: readonly ServingReplica[],
  engines: readonly ServingEngine[],
): readonly ReplicaState[] {
  return replicas.map(({ name, running, isBroken }) => {
    const { state, detail } = engines.find((each) => each.name === name)?.engine.health() ?? {
      state: "unavailable",
      detail: "not in service",
    };
    return { name, state, detail, circuit: isBroken ? "open" : "closed", running };
  });
}
