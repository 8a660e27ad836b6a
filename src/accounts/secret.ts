import { createHash, randomBytes } from "node:crypto";

/** docs/wire.md 7.1: `sk-` and 32 hex digits. 128 random bits cannot be tried out, so a plain hash of them keeps them secret. */
const SHAPE = /^sk-[0-9a-f]{32}$/;

/** A key that nobody has. */
export function newSecret(): string {
  return `sk-${randomBytes(16).toString("hex")}`;
}

/** True when a text can be one of our keys. */
export function looksLikeSecret(text: string): boolean {
  return SHAPE.test(text);
}

/** True when one of our keys stands somewhere in a text. */
export function containsSecret(text: string): boolean {
  return withoutSecrets(text) !== text;
}

/** The same text with what looks like one of our keys made unreadable. */
export function withoutSecrets(text: string): string {
  return text.replaceAll(/sk-[0-9a-f]{32}/g, "sk-…");
}

/** What is kept of a key. */
export function digestOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** 80 random bits behind a prefix that says what the id is of. */
export function newId(prefix: string): string {
  return prefix + [...randomBytes(16)].map((byte) => ALPHABET[byte % ALPHABET.length]).join("");
}
