import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import type { Config } from "./config/config.ts";
import { isSocketPath } from "./config/socket-path.ts";
import { listenOnSocket } from "./http/unix-socket.ts";
import { takeLock } from "./models/lock.ts";

/** Nobody can listen where the configuration says. */
export class ListenFailure extends Error {
  override readonly name = "ListenFailure";
  /** The system's, such as `EADDRINUSE`. */
  readonly code: string;
  /** `HOST:PORT`, or the path of a socket. */
  readonly where: string;

  constructor(where: string, cause: unknown) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown";
    super(`cannot listen on ${where} (${code})`, { cause });
    this.code = code;
    this.where = where;
  }
}

/**
 * Listens where the configuration says, and returns the address for people and for `--url`: `http://HOST:PORT` or
 * `unix:PATH`. Rejects with `ListenFailure`.
 */
export async function listen(
  app: FastifyInstance,
  { host, port, socketMode }: Pick<Config, "host" | "port" | "socketMode">,
): Promise<string> {
  const isSocket = isSocketPath(host);
  try {
    if (isSocket) await listenAlone(app, host, socketMode);
    else await app.listen({ host, port });
  } catch (error) {
    throw new ListenFailure(isSocket ? host : `${host}:${port}`, error);
  }
  return isSocket ? `unix:${host}` : urlOf(app.server.address() as AddressInfo); // listening on TCP since above
}

/** Of two servers that find a socket left behind, one would take away what the other has just made. */
async function listenAlone(app: FastifyInstance, path: string, mode: number): Promise<void> {
  const lock = await takeLock(`${path}.lock`);
  if (lock === undefined) {
    throw Object.assign(new Error(`another server is starting on ${path}`), { code: "EADDRINUSE" });
  }
  try {
    await listenOnSocket(app, path, mode);
  } finally {
    await lock.release();
  }
}

function urlOf({ address, family, port }: AddressInfo): string {
  return `http://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}
