/** A real browser for tests: Chromium of the system, which is not part of the installation. */
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const NAMED = process.env["CHROMIUM"];
const PROGRAM = NAMED ?? "/usr/bin/chromium";

/** Why there is no browser to test with; undefined: there is one, or `CHROMIUM` says that there has to be. */
export function whyNoChromium(): string | undefined {
  if (NAMED !== undefined || existsSync(PROGRAM)) return undefined;
  return `skipped: there is no Chromium at ${PROGRAM}; install it (Debian: apt-get install chromium), or set CHROMIUM to its path`;
}

/**
 * @param names host names that lead to this machine, so that one machine has several sites
 */
export function launchChromium(names: readonly string[]): Promise<Browser> {
  const rules = names.map((name) => `MAP ${name} 127.0.0.1`).join(", ");
  const args = [
    ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
    ...["--disable-background-networking", "--disable-component-update", "--disable-sync"],
    `--host-resolver-rules=${rules}`,
  ];
  return chromium.launch({ executablePath: PROGRAM, args });
}
