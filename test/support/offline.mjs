/**
 * Loaded into a process ahead of its own code (`node --import`): a connection that would leave this machine fails, and
 * stderr tells whose it was to. Loopback and local sockets work.
 */
import net from "node:net";

const HERE = new Set(["127.0.0.1", "::1", "localhost"]);
const { connect } = net.Socket.prototype;

net.Socket.prototype.connect = function (...args) {
  const host = hostOf(args);
  if (host === undefined || HERE.has(host)) return connect.apply(this, args);
  process.stderr.write(`LEFT THE MACHINE: ${host}\n`);
  return this.destroy(Object.assign(new Error(`no network: ${host}`), { code: "ENETUNREACH" }));
};

/** Of any form that `connect` takes; undefined: a local socket. */
function hostOf([first, second]) {
  const options = Array.isArray(first) ? first[0] : first;
  if (typeof options === "object") return options.path === undefined ? (options.host ?? "localhost") : undefined;
  if (typeof options === "string" && Number.isNaN(Number(options))) return undefined;
  return typeof second === "string" ? second : "localhost";
}
