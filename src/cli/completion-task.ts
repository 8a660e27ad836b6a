/** What `continuo complete` is asked to continue, from its arguments. */
import { parseCursor, splitAtCursor } from "./cursor.ts";
import { CommandFailure, EXIT } from "./failure.ts";

/** Options as commander hands them over. */
export interface CompleteOptions {
  readonly prompt?: string;
  readonly suffix?: string;
  readonly system?: string;
  readonly user?: string;
  readonly prefix?: string;
  readonly model?: string;
  readonly maxTokens: number;
  readonly temperature?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
  readonly url?: string;
  readonly modelFile?: string;
  readonly whole?: boolean;
}

export type Task =
  | { readonly kind: "text"; readonly prefix: string; readonly suffix: string }
  | { readonly kind: "chat"; readonly messages: readonly ChatMessage[] };

interface ChatMessage {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
  readonly partial?: true;
}

/** Where texts come from; tests hand in their own. */
export interface Texts {
  /** Throws what the file system throws. */
  readFile(path: string): Promise<Uint8Array>;
  readStdin(): Promise<Uint8Array>;
  /** Nobody has piped anything in. */
  readonly isStdinTerminal: boolean;
}

/** Throws `CommandFailure` when the arguments contradict each other or leave nothing to continue. */
export async function taskFrom(location: string | undefined, options: CompleteOptions, texts: Texts): Promise<Task> {
  const sources = [location && "FILE:LINE:COLUMN", options.prompt && "--prompt", options.user && "--user"].filter(
    Boolean,
  );
  if (sources.length > 1) throw usage(`choose one of ${sources.join(" and ")}: each says what to continue`);
  if (options.user !== undefined) return chatTask(options.user, options);
  if (options.prefix !== undefined || options.system !== undefined) {
    throw usage("--prefix and --system belong to a dialogue, so they need --user; to continue plain text use --prompt");
  }
  const task = await textTask(location, options, texts);
  if (task.prefix === "" && task.suffix === "")
    throw usage("there is nothing to continue: the text before the cursor is empty");
  return task;
}

/** The body of the request, without `stream`, and the route it goes to. */
export function requestOf(task: Task, model: string, options: CompleteOptions) {
  const settings = {
    model,
    max_tokens: options.maxTokens,
    ...(options.temperature === undefined ? {} : { temperature: options.temperature }),
    ...(options.seed === undefined ? {} : { seed: options.seed }),
    ...(options.stop === undefined ? {} : { stop: options.stop }),
  };
  if (task.kind === "chat") {
    return { path: "/v1/chat/completions", body: { ...settings, messages: task.messages } } as const;
  }
  const suffix = task.suffix === "" ? {} : { suffix: task.suffix };
  return { path: "/v1/completions", body: { ...settings, prompt: task.prefix, ...suffix } } as const;
}

function chatTask(user: string, { system, prefix, suffix }: CompleteOptions): Task {
  if (suffix !== undefined) throw usage("--suffix has no meaning in a dialogue; leave it away");
  const messages: ChatMessage[] = [];
  if (system !== undefined) messages.push({ role: "system", content: system });
  messages.push({ role: "user", content: user });
  if (prefix !== undefined) messages.push({ role: "assistant", content: prefix, partial: true });
  return { kind: "chat", messages };
}

async function textTask(
  location: string | undefined,
  { prompt, suffix: suffixFile }: CompleteOptions,
  texts: Texts,
): Promise<Task & { kind: "text" }> {
  const suffix = suffixFile === undefined ? "" : await readText(suffixFile, texts);
  if (prompt !== undefined) return { kind: "text", prefix: prompt, suffix };
  if (location === undefined || location === "-") {
    if (texts.isStdinTerminal)
      throw usage("say what to continue: FILE:LINE:COLUMN, --prompt TEXT, --user TEXT, or a pipe; see --help");
    return { kind: "text", prefix: decoded(await texts.readStdin(), "standard input"), suffix };
  }
  if (suffixFile !== undefined)
    throw usage("--suffix has no meaning with FILE:LINE:COLUMN: the rest of the file is the suffix");
  const cursor = parseCursor(location);
  return { kind: "text", ...splitAtCursor(await readText(cursor.file, texts), cursor) };
}

async function readText(path: string, texts: Texts): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await texts.readFile(path);
  } catch (error) {
    throw usage(`cannot read ${path} (${error instanceof Error ? error.message : String(error)})`);
  }
  return decoded(bytes, path);
}

/** A byte order mark is how some editors say "UTF-8"; it is no text. Everything else is kept byte for byte. */
function decoded(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw usage(`${where} is not UTF-8 text`);
  }
}

function usage(message: string): CommandFailure {
  return new CommandFailure(message, EXIT.usage);
}
