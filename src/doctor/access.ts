import { isLoopback } from "../config/checks.ts";
import type { Config } from "../config/config.ts";
import { isSocketPath } from "../config/socket-path.ts";
import { type Finding, ok, warning } from "./finding.ts";

/** Shorter keys can be guessed over a network. */
const LONG_KEY = 16;

/** Who may call: the address against the keys of the configuration. Those in the database are not looked at. */
export function examineAccess({
  host,
  socketMode,
  apiKeys,
  adminKeys,
}: Pick<Config, "host" | "socketMode" | "apiKeys" | "adminKeys">): Finding {
  const keys = apiKeys.length === 1 ? "1 key" : `${apiKeys.length} keys`;
  if (isSocketPath(host)) {
    const mode = `0${socketMode.toString(8).padStart(3, "0")}`;
    return ok(
      "access",
      `whoever may open the socket (mode ${mode}), ${apiKeys.length === 0 ? "without a key" : `with ${keys}`}`,
    );
  }
  if (isLoopback(host)) {
    return ok("access", apiKeys.length === 0 ? "only this machine, without a key" : `only this machine, with ${keys}`);
  }
  const found = `other machines reach ${host}, with ${keys}`;
  const short = [...apiKeys, ...adminKeys].filter(({ key }) => key.length < LONG_KEY).map(({ label }) => label);
  if (apiKeys.length === 0) {
    const advice =
      "create a key with `continuo keys create` unless there is one; without any the server does not start here";
    return warning("access", `other machines reach ${host}, with no key in the configuration`, advice);
  }
  if (short.length === 0)
    return ok("access", `${found}; the server speaks plain HTTP, so use a network of your own or a proxy with TLS`);
  const advice = `replace the short keys (${short.join(", ")}): \`openssl rand -hex 24\` makes one`;
  return warning("access", found, advice);
}
