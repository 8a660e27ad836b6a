import { describe, expect, test } from "vitest";
import { load, problems, surroundings } from "../../test/support/configuration.ts";
import { isLoopback } from "./checks.ts";
import { loadConfig } from "./load.ts";
import { isSocketPath } from "./socket-path.ts";

describe("a Unix socket", () => {
  test.each([
    ["/run/x.sock", "/run/x.sock"],
    ["~/x.sock", "/home/me/x.sock"],
    ["x.sock", "/srv/x.sock"],
    ["./x", "/srv/x"],
  ])("--host %s is the path %s", (host, path) => {
    expect(loadConfig({ host }, surroundings()).host).toBe(path);
    expect(loadConfig({}, surroundings("", { CONTINUO_HOST: host })).host).toBe(path);
  });

  test("of the file starts at the file", () => {
    expect(load("host: run/x.sock").host).toBe("/etc/continuo/run/x.sock");
  });

  test("is for this user alone unless permissions are given", () => {
    expect(load("host: /run/x.sock").socketMode).toBe(0o600);
    expect(load('host: /run/x.sock\nsocket_mode: "0660"').socketMode).toBe(0o660);
    expect(load("host: /run/x.sock", {}, { CONTINUO_SOCKET_MODE: "666" }).socketMode).toBe(0o666);
    expect(load("", { host: "/run/x.sock", socketMode: "770" }).socketMode).toBe(0o770);
  });

  test.each([
    ["host: /run/x.sock\nsocket_mode: 0660", 'expected permissions in quotes, such as "0660", found 660'],
    ['host: /run/x.sock\nsocket_mode: "rw"', 'expected permissions in quotes, such as "0660", found "rw"'],
    ['socket_mode: "0660"', "permissions belong to a Unix socket"],
    [`host: /run/${"x".repeat(120)}`, "has at most 107 bytes here, found 125"],
  ])("%j is refused", (source, message) => {
    expect(problems(source)).toEqual([expect.stringContaining(message)]);
  });

  test("is reached by this machine alone", () => {
    expect(isLoopback("/run/x.sock")).toBe(true);
  });

  test.each(["127.0.0.1", "::1", "localhost", "llm.example", "10.0.0.0/8", "http://llm.example"])(
    "is not %s",
    (host) => {
      expect(isSocketPath(host)).toBe(false);
    },
  );

  test("is not offered on Windows", () => {
    const windows = { ...surroundings(), platform: "win32" as const };

    expect(() => loadConfig({ host: "x.sock" }, windows)).toThrow("not offered on Windows");
  });
});

describe("names and sites", () => {
  test("come from the file, the environment or flags", () => {
    const file = 'allowed_hosts: [llm.example, "*.tunnel.example"]\ncors_origins: [https://app.example]';
    const env = { CONTINUO_ALLOWED_HOSTS: "a.example, b.example", CONTINUO_CORS_ORIGINS: "moz-extension://*" };

    expect(load("")).toMatchObject({ allowedHosts: [], corsOrigins: [] });
    expect(load(file)).toMatchObject({
      allowedHosts: ["llm.example", "*.tunnel.example"],
      corsOrigins: ["https://app.example"],
    });
    expect(load(file, {}, env)).toMatchObject({
      allowedHosts: ["a.example", "b.example"],
      corsOrigins: ["moz-extension://*"],
    });
    expect(load(file, { allowedHost: ["*"], corsOrigin: ["*"] }, env)).toMatchObject({
      allowedHosts: ["*"],
      corsOrigins: ["*"],
    });
  });

  test.each(["https://llm.example", "llm.example:8100", "*.*", "", "a b"])("the host %j is refused", (host) => {
    expect(problems("", { allowedHost: [host] })).toEqual([
      expect.stringContaining("expected a host name such as llm.example.org"),
    ]);
  });

  test.each(["null", "example.org", "https://example.org/path", "https://*", "http://*.example.org", "*://"])(
    "the site %j is refused",
    (origin) => {
      expect(problems("", { corsOrigin: [origin] })).toEqual([
        expect.stringContaining('expected "*" or an origin such as https://example.org'),
      ]);
    },
  );
});
