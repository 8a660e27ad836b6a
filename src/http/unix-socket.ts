import { lstat, rm } from "node:fs/promises";
import { connect } from "node:net";
import type { FastifyInstance } from "fastify";

/** What is at the path of a Unix socket: nothing, a server that answers, the socket of one that was killed, or another file. */
export type SocketState = "free" | "answers" | "left_behind" | "other_file";

/** Throws what the system says where this user may not look. */
export async function socketState(path: string): Promise<SocketState> {
  const stats = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (stats === undefined) return "free";
  if (!stats.isSocket()) return "other_file";
  const code = await whyNoConnection(path);
  if (code === "ECONNREFUSED") return "left_behind";
  return code === "ENOENT" ? "free" : "answers";
}

/** Listens there, in place of a socket that was left behind. Only one process at a time may do this for a path. */
export async function listenOnSocket(app: FastifyInstance, path: string, mode: number): Promise<void> {
  const state = await socketState(path);
  if (state === "other_file") throw Object.assign(new Error(`${path} is no socket`), { code: "ENOTSOCK" });
  if (state === "left_behind") await rm(path, { force: true });
  // With the right permissions from its first moment on; changing them afterwards would leave a gap.
  const before = process.umask(0o777 & ~mode);
  try {
    await app.listen({ path });
  } finally {
    process.umask(before);
  }
}

/** The system's error code; undefined: somebody answered. */
function whyNoConnection(path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EACCES" || error.code === "EPERM") reject(error);
      else resolve(error.code ?? error.message);
    });
  });
}
