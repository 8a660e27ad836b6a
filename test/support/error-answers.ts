/** The same call on all three surfaces, and what a refusal of it says. */
import { expect } from "vitest";
import { type Answer, CHAT, COMPLETIONS, NATIVE, post } from "./calls.ts";

/** A conversation that may be continued. */
export const MESSAGES = [{ role: "user", content: "hello" }];

/** The three surfaces with a valid body each, changed by `fields` at the top (NATIVE: in `parameters`). */
export function everywhere(url: string, fields: Record<string, unknown>, headers: Record<string, string> = {}) {
  const { model = "qwen-coder-turbo", ...rest } = fields;
  const input = { messages: MESSAGES };
  return Promise.all([
    post(url, COMPLETIONS, { model, prompt: "a", max_tokens: 1, ...rest }, headers),
    post(url, CHAT, { model, messages: MESSAGES, max_tokens: 1, ...rest }, headers),
    post(url, NATIVE, { model, input, parameters: { max_tokens: 1, ...rest } }, headers),
  ]);
}

/** What every error answer must have (docs/wire.md 6.2), and the message. */
export function messageOf(answer: Answer): string {
  const { json, headers } = answer;
  expect(headers.get("content-type")).toBe("application/json");
  expect(json.request_id).toBe(headers.get("x-request-id"));
  expect(json.request_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  if (json.error === undefined) {
    expect(Object.keys(json).sort()).toEqual(["code", "message", "request_id"]);
    return json.message;
  }
  expect(Object.keys(json.error).sort()).toEqual(["code", "message", "param", "type"]);
  return json.error.message;
}

/** Of either shape of error. */
export const codeOf = ({ json }: Answer): string => json.error?.code ?? json.code;
