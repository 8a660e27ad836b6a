/** Names and addresses that only this machine answers to. */
const LOOPBACK = /^(?:(?:[a-z0-9-]+\.)*localhost\.?|127(?:\.\d{1,3}){3}|\[::1\]|\[::ffff:127(?:\.\d{1,3}){3}\])$/i;

/**
 * True when a `Host` header (`name`, `name:port`) names this machine. A web page can make a browser resolve a name of
 * its own to 127.0.0.1 (DNS rebinding), but the header then still carries that name. Browsers always send one, so a
 * request without it (HTTP/1.0) is none of theirs.
 */
export function isLoopbackHost(host: string | undefined): boolean {
  return host === undefined || LOOPBACK.test(host.replace(/:\d*$/, ""));
}

/**
 * Browser origins that may read our answers: those of this machine, and the ones the operator named.
 *
 * @param extra whole origins (`https://example.org`); `"*"` allows all.
 */
export function isAllowedOrigin(origin: string | undefined, extra: readonly string[]): boolean {
  if (origin === undefined) return false;
  if (extra.includes("*") || extra.includes(origin)) return true;
  const host = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1];
  return host !== undefined && isLoopbackHost(host);
}
