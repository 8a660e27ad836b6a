/** The same requests to the embedded engine and to one elsewhere, on the same weights. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHAT, type Json, joinedText, NATIVE, post, postStream, textOf } from "./calls.ts";
import { type Asked, OPENAI, REMOTE_REQUESTS } from "./remote-requests.ts";
import { expectThat, type Tally } from "./tally.ts";

/** How close the two likeliest tokens must be for another build's rounding to swap them, natural log. */
const TIE_NATS = 0.02;
const MARKERS = /<\|\w+\|>/;

interface Answered {
  readonly text: string;
  readonly finish: string;
  readonly prompt: number;
  readonly completion: number;
}

/** How an engine elsewhere may differ. */
export interface Leeway {
  /** It may count the token that ends an answer. */
  readonly countsEnd?: boolean;
  /** Names of requests whose answers go on behind a token that ends them here, as it does not know it for an end. */
  readonly runsOn?: RegExp;
}

/**
 * Asks the models `embedded` and `elsewhere` of one server the same, plain and streamed. Texts, usage and ends must be
 * equal; returned are the ties, where both go on with another of two tokens that are equally likely.
 */
export async function compareEngines(
  url: string,
  tally: Tally,
  requests: readonly Asked[] = REMOTE_REQUESTS,
  leeway: Leeway = {},
): Promise<readonly string[]> {
  const ties: string[] = [];
  for (const asked of requests) {
    for (const way of [plain, streamed]) {
      await tally.check(`${asked.name}, ${way.name}`, async () => {
        const here = await way(url, "embedded", asked);
        const there = await way(url, "elsewhere", asked);
        // Weights may copy what a caller wrote, as the text that it is.
        expectThat(MARKERS.test(here.text) || !MARKERS.test(there.text), `a marker shows: ${there.text}`);
        if (asked.prefix !== undefined)
          expectThat(!there.text.startsWith(asked.prefix), `the prefix comes back: ${there.text}`);
        if (leeway.runsOn?.test(asked.name) === true) {
          expectThat(there.text.startsWith(here.text), `${here.text} here, ${there.text} there`);
          return "runs on behind the end";
        }
        if (here.text !== there.text) {
          const difference = await tieBetween(url, asked, here.text, there.text);
          ties.push(`tie   ${asked.name}, ${way.name}: ${difference}`);
          return "a tie";
        }
        expectEqual(here, there, leeway);
        return `${JSON.stringify(here.text.slice(0, 40))}, ${here.prompt}+${here.completion} tokens, ${here.finish}`;
      });
    }
  }
  return ties;
}

/** Throws unless both go on with one of two tokens that are equally likely. */
async function tieBetween(url: string, asked: Asked, here: string, there: string): Promise<string> {
  const tie = await distanceAt(url, asked, here, there);
  const difference = `${JSON.stringify(here)} here, ${JSON.stringify(there)} there, ${tie} nats apart`;
  expectThat(tie < TIE_NATS, difference);
  return difference;
}

function expectEqual(here: Answered, there: Answered, { countsEnd = false }: Leeway): void {
  const isOneMore = countsEnd && there.finish === "stop" && there.completion === here.completion + 1;
  const expected = isOneMore ? { ...here, completion: there.completion } : here;
  const [said, told] = [JSON.stringify(here), JSON.stringify(there)];
  expectThat(JSON.stringify(expected) === told, `${said} here, ${told} there`);
}

/** Asks `elsewhere` what its engine cannot do: a clear refusal, plain and streamed. */
export async function checkRefusals(
  url: string,
  tally: Tally,
  names: ReadonlySet<string>,
  reason: RegExp,
): Promise<void> {
  for (const { name, path, body } of REMOTE_REQUESTS.filter((asked) => names.has(asked.name))) {
    for (const stream of [false, true]) {
      await tally.check(`${name} is refused, ${stream ? "streamed" : "plain"}`, async () => {
        const { status, text } = await post(url, path, { model: "elsewhere", ...body, stream });
        expectThat(status === 400 && reason.test(text), `${status} ${text}`);
        return undefined;
      });
    }
  }
}

async function plain(url: string, model: string, { path, body }: Asked): Promise<Answered> {
  const answer = await post(url, path, { model, ...body });
  expectThat(answer.status === 200, `${answer.status} ${answer.text}`);
  return answered(answer.json, textOf(answer.json));
}

async function streamed(url: string, model: string, { path, body }: Asked): Promise<Answered> {
  const options = path === NATIVE ? {} : { stream_options: { include_usage: true } };
  const answer = await postStream(url, path, { model, ...body, ...options });
  expectThat(answer.status === 200, `${answer.status} ${answer.text}`);
  const ended = answer.events.findLast((event) => finishIn(event) !== undefined);
  return { ...answered({ ...answer.events.at(-1), choices: ended?.choices }, joinedText(answer.events)) };
}

function answered(json: Json, text: string): Answered {
  const { usage } = json;
  return {
    text,
    finish: finishIn(json) ?? "none",
    prompt: usage.prompt_tokens ?? usage.input_tokens,
    completion: usage.completion_tokens ?? usage.output_tokens,
  };
}

function finishIn(json: Json): string | undefined {
  const reason = (json.output?.choices ?? json.choices)?.[0]?.finish_reason;
  return reason === null || reason === "null" ? undefined : reason;
}

/** How far apart the two likeliest tokens are where two answers part. */
async function distanceAt(url: string, { path, body }: Asked, here: string, there: string): Promise<number> {
  const scored = await scores(url, path, body);
  let at = 0;
  while (here[at] === there[at] && at < here.length) at += 1;
  const [first = 0, second = Number.NEGATIVE_INFINITY] = scored.findLast(({ offset }) => offset <= at)?.top ?? [];
  return first - second;
}

interface Scored {
  /** Where the token begins in the text. */
  readonly offset: number;
  /** Log probabilities of the likeliest tokens, best first. */
  readonly top: readonly number[];
}

async function scores(url: string, path: string, body: Asked["body"]): Promise<readonly Scored[]> {
  if (path === CHAT) {
    // The other dialect tells none for these weights.
    const { json } = await post(url, "/v1/chat/completions", {
      model: "embedded",
      ...body,
      logprobs: true,
      top_logprobs: 2,
    });
    let offset = 0;
    return json.choices[0].logprobs.content.map(({ token, top_logprobs: top }: Json) => {
      const scored = { offset, top: top.map(({ logprob }: Json) => logprob) };
      offset += token.length;
      return scored;
    });
  }
  if (path === NATIVE) return [];
  const { json } = await post(url, OPENAI, { model: "embedded", ...body, logprobs: 2 });
  const { top_logprobs: top, text_offset: offsets } = json.choices[0].logprobs;
  return top.map((each: Readonly<Record<string, number>>, index: number) => ({
    offset: offsets[index],
    top: Object.values(each).sort((a, b) => b - a),
  }));
}

export interface Compared {
  readonly kind: string;
  readonly url: string;
  /** File of the same weights for the embedded engine. */
  readonly model: string;
  readonly context: number;
  /** Qwen's weights, whose layout no end is raised in here. Else those of the package, which have theirs in their file. */
  readonly isQwen?: boolean;
  /** Of the model there; absent: the first that is listed. */
  readonly name?: string;
  /** Further keys of the engine, as YAML between braces. */
  readonly settings?: string;
  /** Further lines of both sections. */
  readonly engines?: string;
  readonly models?: string;
}

/** Writes a configuration with the models `embedded` and `elsewhere` on the same weights. Returns the file's path. */
export function peerConfiguration(
  folder: string,
  { kind, url, model, context, isQwen = false, name, settings = "", engines = "", models = "" }: Compared,
): string {
  const file = join(folder, "continuo.yaml");
  writeFileSync(
    file,
    `engines:
  peer: { kind: ${kind}, url: "${url}"${settings} }
${engines}models:
  embedded: { file: ${model}, context: ${context}, slots: 2${isQwen ? ", fim: as-qwen" : ""} }
  elsewhere: { engine: peer, ${name === undefined ? "" : `model: ${name}, `}fim: ${isQwen ? "as-qwen" : "as-in-the-package"} }
${models}fim_layouts:
  as-in-the-package:
    prefix: "<|fim_prefix|>"
    suffix: "<|fim_suffix|>"
    middle: "<|fim_middle|>"
    behind_middle: prefix
    gap_end: false
    end: ["<|fim_pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    repo_name: "<|repo_name|>"
    file_sep: "<|file_sep|>"
  as-qwen:
    prefix: "<|fim_prefix|>"
    suffix: "<|fim_suffix|>"
    middle: "<|fim_middle|>"
    gap_end: false
    end: ["<|fim_pad|>", "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    repo_name: "<|repo_name|>"
    file_sep: "<|file_sep|>"
`,
  );
  return file;
}
