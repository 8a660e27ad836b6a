import type { Meter } from "../../src/accounts/meter.ts";

/** Admits everything and keeps no account. */
export const UNMETERED: Meter = {
  reserve: async () => ({
    accepted: async () => undefined,
    produced: () => undefined,
    delivered: () => undefined,
    used: () => undefined,
    settle: async () => undefined,
    cancel: async () => undefined,
  }),
};
