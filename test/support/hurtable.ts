/** Real engines behind a proxy, which a test can hurt and make well again. */
import { existsSync, readFileSync } from "node:fs";
import { type CuttableProxy, cuttableProxy } from "./cuttable-proxy.ts";

/** What may become of an engine: killed with -9, stopped with SIGSTOP, or all of its connections reset. */
export const WAYS = ["killed", "stopped", "cut off"] as const;

export interface Hurtable {
  readonly kind: string;
  /** Where its callers find it, whatever becomes of it. */
  readonly url: string;
  /** Returns what makes it well again. */
  hurt(way: (typeof WAYS)[number]): () => Promise<void>;
  stop(): Promise<void>;
}

export interface Program {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** @param start starts it at a port, or at a free one. */
export async function hurtable(kind: string, start: (port?: number) => Promise<Program>): Promise<Hurtable> {
  let program = await start();
  const { port } = new URL(program.url);
  const proxy: CuttableProxy = await cuttableProxy(Number(port));
  return {
    kind,
    url: `http://127.0.0.1:${proxy.port}`,
    hurt: (way) => {
      if (way === "cut off") {
        proxy.cut();
        return async () => undefined;
      }
      const family = familyOf(program.pid);
      signal(family, way === "stopped" ? "SIGSTOP" : "SIGKILL");
      return async () => {
        if (way === "stopped") return signal(family, "SIGCONT");
        await program.stop();
        program = await start(Number(port));
      };
    },
    stop: async () => {
      signal(familyOf(program.pid), "SIGKILL");
      await Promise.all([program.stop(), proxy.stop()]);
    },
  };
}

/** A process and all that it started; nobody if it is gone. */
function familyOf(pid: number): readonly number[] {
  const file = `/proc/${pid}/task/${pid}/children`;
  if (!existsSync(file)) return [];
  const children = readFileSync(file, "utf8").split(" ").filter(Boolean).map(Number);
  return [pid, ...children.flatMap(familyOf)];
}

function signal(family: readonly number[], name: NodeJS.Signals): void {
  for (const pid of family) {
    try {
      process.kill(pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
