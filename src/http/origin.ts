/** Names and addresses that only this machine answers to. */
const LOOPBACK = /^(?:(?:[a-z0-9-]+\.)*localhost\.?|127(?:\.\d{1,3}){3}|\[::1\]|\[::ffff:127(?:\.\d{1,3}){3}\])$/i;

/**
 * True when a `Host` header (`name`, `name:port`) names this machine. A web page can make a browser resolve a name of
 * its own to 127.0.0.1 (DNS rebinding), but the header then still carries that name. Browsers always send one, so a
 * request without it (HTTP/1.0) is none of theirs.
 */
export function isLoopbackHost(host: string | undefined): boolean {
  return host === undefined || LOOPBACK.test(withoutPort(host));
}

/**
 * True when a `Host` header names one of `allowed`: host names or addresses without a port, `*.example.org` for every
 * name below `example.org`, `*` for all names.
 */
export function isAllowedHost(host: string, allowed: readonly string[]): boolean {
  const name = withoutPort(host).replace(/\.$/, "").toLowerCase();
  return allowed.some((each) => {
    const pattern = each.toLowerCase();
    if (pattern === "*" || pattern === name) return true;
    return pattern.startsWith("*.") && name.endsWith(pattern.slice(1)) && name.length >= pattern.length;
  });
}

/**
 * Browser origins whose pages may call: those of this machine, and the ones the operator named.
 *
 * @param extra whole origins (`https://example.org`), all of a scheme that is not the web's (`moz-extension://*`); `"*"` allows all.
 */
export function isAllowedOrigin(origin: string | undefined, extra: readonly string[]): boolean {
  if (origin === undefined) return false;
  const host = /^https?:\/\/([^/]+)$/i.exec(origin)?.[1];
  return (host !== undefined && isLoopbackHost(host)) || extra.some((pattern) => fits(origin, pattern));
}

function fits(origin: string, pattern: string): boolean {
  if (pattern === "*") return true;
  if (pattern.endsWith("://*")) return origin.toLowerCase().startsWith(pattern.slice(0, -1).toLowerCase());
  return canonical(origin) === canonical(pattern);
}

/** As browsers spell it: lower case, and without the port that the scheme implies. */
function canonical(origin: string): string {
  return /^https?:/i.test(origin) && URL.canParse(origin) ? new URL(origin).origin : origin.toLowerCase();
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, "");
}
