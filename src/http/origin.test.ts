import { expect, test } from "vitest";
import { isAllowedHost, isAllowedOrigin, isLoopbackHost } from "./origin.ts";

test.each([
  undefined,
  "localhost",
  "LOCALHOST:8100",
  "localhost.:80",
  "app.localhost:8100",
  "127.0.0.1:8100",
  "127.9.8.7",
  "[::1]:8100",
  "[::1]",
  "[::ffff:127.0.0.1]:80",
])("the Host header %s is this machine", (host) => {
  expect(isLoopbackHost(host)).toBe(true);
});

test.each([
  "",
  "example.org",
  "localhost.example.org",
  "notlocalhost",
  "127.0.0.1.example.org",
  "127.0.0.1@example.org",
  "10.0.0.1:8100",
  "0.0.0.0",
  "[::2]",
  "example.org:127.0.0.1",
])("the Host header %j is somebody else", (host) => {
  expect(isLoopbackHost(host)).toBe(false);
});

test.each([
  ["http://localhost:5173", [], true],
  ["http://[::1]:3000", [], true],
  ["https://app.example", ["https://app.example"], true],
  ["https://anything.example", ["*"], true],
  ["https://app.example:8443", ["https://app.example"], false],
  ["https://app.example.evil", ["https://app.example"], false],
  ["null", [], false],
  ["file://localhost", [], false],
  ["http://localhost/path", [], false],
  [undefined, ["*"], false],
])("the origin %s with %j allowed: %s", (origin, extra, expected) => {
  expect(isAllowedOrigin(origin, extra)).toBe(expected);
});

test.each([
  ["llm.example", ["llm.example"], true],
  ["LLM.example:8443", ["llm.Example"], true],
  ["llm.example.", ["llm.example"], true],
  ["a.tunnel.example", ["*.tunnel.example"], true],
  ["a.b.tunnel.example:443", ["*.tunnel.example"], true],
  ["10.0.0.7:8100", ["10.0.0.7"], true],
  ["[fd00::1]:8100", ["[fd00::1]"], true],
  ["anything", ["*"], true],
  ["tunnel.example", ["*.tunnel.example"], false],
  [".tunnel.example", ["*.tunnel.example"], false],
  ["eviltunnel.example", ["*.tunnel.example"], false],
  ["llm.example.evil", ["llm.example"], false],
  ["evil.llm.example", ["llm.example"], false],
  ["llm.example", [], false],
  ["", ["llm.example"], false],
])("the host %j with %j allowed: %s", (host, allowed, expected) => {
  expect(isAllowedHost(host, allowed)).toBe(expected);
});
