/**
 * Copy-heavy completion: an answer that repeats its prompt, with prompt-lookup drafts and without.
 *
 * The written model (`copying-model.ts`) goes round a cycle of tokens whatever its prompt says, so what it copies, and where
 * the copy differs from the prompt, is exact and the same on every server. Real weights are asked to go on with a file
 * that the prompt shows, which they mostly copy.
 */
import { cycleTokens, foreignToken } from "./copying-model.ts";
import { firstOf, type Measure } from "./measures.ts";
import { type Load, type Peer, startContinuo, startPeer } from "./peers.ts";
import { sourceText } from "./source-text.ts";
import { ask, type Prompt } from "./stream.ts";

const ANSWER_TOKENS = 192;
const MIN_ANSWER_TOKENS = 32;

const PROMPT_TOKENS = 400;
/** The answer goes on behind these first tokens of the prompt. */
const BEGUN_TOKENS = 8;
/** Every tenth token of the prompt is another than the answer will have. */
const EDIT_EVERY = 10;
/** Characters of the file that real weights copy, and of the copy that is begun. */
const FILE_CHARACTERS = 2_400;
const BEGUN_CHARACTERS = 200;

/**
 * llama-server's n-gram speculation has several algorithms and no best setting: these are run, and the fastest counts.
 * Short patterns and drafts suit a processor, where every drafted token costs; long ones are its defaults.
 */
const SPECULATIONS: Readonly<Record<string, readonly string[]>> = {
  "ngram-simple": ["--spec-type", "ngram-simple"],
  "ngram-simple 3/8": [
    ...["--spec-type", "ngram-simple"],
    ...["--spec-ngram-simple-size-n", "3", "--spec-ngram-simple-size-m", "8"],
  ],
  "ngram-mod": ["--spec-type", "ngram-mod"],
};

/** One of ours, which drafts as each request says; of llama-server one without speculation and one for each algorithm. */
export async function startCopiers(load: Load, program: string): Promise<readonly Peer[]> {
  const small = { ...load, slots: 1, contextTokens: 2_048 };
  const peers = [await startContinuo(small), await startPeer(program, small)];
  for (const [variant, args] of Object.entries(SPECULATIONS))
    peers.push({ ...(await startPeer(program, small, args)), variant });
  return peers;
}

export const COPYING: readonly Measure[] = [
  ...measures("copying", (index) => repeated(index, (tokens) => tokens)),
  ...measures("copying, 10 % edited", (index) => repeated(index, edited)),
];

export const COPYING_REAL: readonly Measure[] = measures("copying, real weights", repeatedFile);

/** Requests a peer has had. */
const indices = new WeakMap<Peer, number>();

/** @param prompt another one for every index: some of llama-server's algorithms remember the answers before. */
function measures(name: string, prompt: (index: number) => Prompt): readonly Measure[] {
  const run = (speculation: boolean) => (peer: Peer) => {
    const index = indices.get(peer) ?? 0;
    indices.set(peer, index + 1);
    return copy(peer, prompt(index), speculation);
  };
  return [
    { name: `${name}, no drafts`, unit: "tok/s", runsOn: (peer) => peer.variant === undefined, run: run(false) },
    {
      ...{ name, unit: "tok/s", target: { atLeast: 1.15 }, run: run(true) },
      runsOn: (peer) => peer.side === "ours" || peer.variant !== undefined,
    },
  ];
}

/** Tokens per second from the first piece of the answer to the last; real weights may end it early. */
async function copy(peer: Peer, prompt: Prompt, speculation: boolean): Promise<number> {
  const { tokenMs, tokens = 0 } = await ask(peer, { prompt, maxTokens: ANSWER_TOKENS, answer: "free", speculation });
  if (tokens < MIN_ANSWER_TOKENS) throw new Error(`an answer of ${tokens} tokens is too short to tell a speed`);
  return ((tokens - 1) / ((tokenMs.at(-1) ?? Number.NaN) - firstOf(tokenMs))) * 1000;
}

function repeated(index: number, change: (tokens: readonly number[]) => readonly number[]): readonly number[] {
  const tokens = cycleTokens(index, PROMPT_TOKENS);
  return [...change(tokens), ...tokens.slice(0, BEGUN_TOKENS)];
}

function edited(tokens: readonly number[]): readonly number[] {
  return tokens.map((token, index) => (index % EDIT_EVERY === EDIT_EVERY - 1 ? foreignToken(token + index) : token));
}

/** A file, and the beginning of the same file again. */
function repeatedFile(index: number): string {
  const text = sourceText();
  const start = (index * FILE_CHARACTERS) % (text.length - FILE_CHARACTERS);
  const file = text.slice(start, start + FILE_CHARACTERS);
  return `// a.ts\n${file}\n\n// b.ts, a copy of a.ts\n${file.slice(0, BEGUN_CHARACTERS)}`;
}
