import { FIM_LAYOUTS } from "../../continuation/fim.ts";
import type { Address } from "./address.ts";
import type { Adapter, Peer, RemoteModel } from "./peer.ts";
import { ADAPTERS, adapterOf } from "./registry.ts";
import { Upstream, type UpstreamOptions } from "./transport.ts";

export interface Found {
  readonly kind: string;
  readonly peer: Peer;
}

/** What is tried at an address, and what came of it. */
export interface Attempt {
  readonly kind: string;
  readonly reason: string;
}

/** Nothing that is known was recognized. */
export class NothingFound extends Error {
  override readonly name = "NothingFound";
  readonly attempts: readonly Attempt[];

  constructor(attempts: readonly Attempt[]) {
    super(attempts.map(({ kind, reason }) => `${kind}: ${reason}`).join("\n"));
    this.attempts = attempts;
  }
}

export type Probed = Omit<UpstreamOptions, "limits"> & Partial<Pick<UpstreamOptions, "limits">>;

const LIMITS = { connectMs: 5_000, firstTokenMs: 0, idleMs: 0, totalMs: 0 };

/**
 * Looks what is at an address, and closes the connection again.
 *
 * @param kind what it is said to be; absent: the first kind that recognizes it.
 * @throws NothingFound
 */
export async function probeAddress(
  options: Probed,
  kind: string | undefined,
  model: Partial<RemoteModel>,
  signal: AbortSignal,
): Promise<Found> {
  const upstream = new Upstream({ limits: LIMITS, ...options });
  const about: RemoteModel = { name: options.name, fimLayouts: FIM_LAYOUTS, fields: new Set(), ...model };
  const attempts: Attempt[] = [];
  try {
    for (const adapter of kind === undefined ? candidates(upstream.address) : [adapterOf(kind)]) {
      try {
        return { kind: adapter.kind, peer: await adapter.probe(upstream, about, signal) };
      } catch (error) {
        signal.throwIfAborted();
        attempts.push({ kind: adapter.kind, reason: error instanceof Error ? error.message : String(error) });
      }
    }
    throw new NothingFound(attempts);
  } finally {
    await upstream.close();
  }
}

/** A service is known by its host, and is asked nothing that only other programs know. */
export function candidates({ origin, api }: Address): readonly Adapter[] {
  const { hostname } = new URL(origin);
  const services = ADAPTERS.filter(({ hosts }) => hosts?.test(hostname));
  const service = services.find(({ paths }) => paths?.test(api)) ?? services.find(({ paths }) => paths === undefined);
  return service === undefined ? ADAPTERS.filter(({ hosts }) => hosts === undefined) : [service];
}
