/** Who asks for what, and when: editors that work on documents of unequal popularity. The same seed gives the same trace. */

import { type Beginning, beginningOf } from "../src/pool/beginning.ts";
import { Random } from "../test/support/random.ts";

export interface TraceOptions {
  readonly seed: number;
  readonly documents: number;
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Document k is asked for as often as 1 / k to this power. */
  readonly zipf: number;
}

export interface Arrival {
  readonly atMs: number;
  readonly document: number;
  /** What Continuo compares of the prompt: `beginningOf` of its real text. */
  readonly beginning: Beginning;
  readonly promptTokens: number;
  readonly completionTokens: number;
  /** In [0, 1): which of several gateways gets the request. */
  readonly gateway: number;
}

/** Units of text per token. */
const UNITS_PER_TOKEN = 4;
/** As `beginning.ts` has it. */
const UNITS_PER_BLOCK = 512;
export const BLOCK_TOKENS = UNITS_PER_BLOCK / UNITS_PER_TOKEN;
/** Blocks of a document: when it is opened, least and most, and when its editor goes on to another file. */
const FIRST_BLOCKS = { least: 2, most: 32 };
const MOST_BLOCKS = 64;
/** Some documents begin with one of these: licence headers, system prompts. */
const SHARED = { part: 0.3, heads: 50, blocks: 2 };
/** Of the changes between two requests, those in the middle of the text: everything behind them is other text then. */
const MIDDLE_PART = 0.15;
/** Units typed between two requests, on average. */
const TYPED_UNITS = 200;
const MEAN_COMPLETION_TOKENS = 48;

export function traceOf({ seed, documents, requests, requestsPerSecond, zipf }: TraceOptions): readonly Arrival[] {
  const random = new Random(seed);
  const popularity = new Popularity(documents, zipf);
  const open = new Map<number, Document>();
  let atMs = 0;
  return Array.from({ length: requests }, () => {
    atMs += (exponential(random) * 1_000) / requestsPerSecond;
    const number = popularity.draw(random.uniform());
    const document = open.get(number) ?? new Document(number, random);
    open.set(number, document);
    document.edit();
    return {
      atMs,
      document: number,
      beginning: beginningOf({ kind: "text", parts: [{ text: document.text() }] }),
      promptTokens: Math.round(document.units / UNITS_PER_TOKEN),
      completionTokens: 1 + Math.floor(exponential(random) * MEAN_COMPLETION_TOKENS),
      gateway: random.uniform(),
    };
  });
}

/** A file that somebody edits: blocks of text, each of which says its place and how often it was changed. */
class Document {
  readonly #number: number;
  readonly #random: Random;
  readonly #head: string;
  #blocks: string[] = [];
  #changes = 0;
  /** Length of the text in UTF-16 units. */
  units = 0;

  constructor(number: number, random: Random) {
    this.#number = number;
    this.#random = random;
    const head = Math.floor(random.uniform() * SHARED.heads);
    this.#head = random.uniform() < SHARED.part ? `head ${head}` : `own ${number}`;
    this.#open();
  }

  /** Somebody types at the end, or changes something further up. */
  edit(): void {
    this.#changes += 1;
    if (this.#random.uniform() < MIDDLE_PART) {
      const from = Math.floor(this.#random.uniform() * this.#blocks.length);
      for (let index = from; index < this.#blocks.length; index += 1) this.#blocks[index] = this.#block(index);
    }
    this.units += Math.ceil(exponential(this.#random) * TYPED_UNITS);
    if (this.units >= MOST_BLOCKS * UNITS_PER_BLOCK) this.#open();
    this.#fill();
  }

  text(): string {
    return this.#blocks.join("").slice(0, this.units);
  }

  #open(): void {
    const { least, most } = FIRST_BLOCKS;
    this.units = Math.floor(UNITS_PER_BLOCK * least * (most / least) ** this.#random.uniform());
    this.#blocks = [];
    this.#fill();
  }

  #fill(): void {
    while (this.#blocks.length * UNITS_PER_BLOCK < this.units) this.#blocks.push(this.#block(this.#blocks.length));
  }

  #block(index: number): string {
    const words =
      index < SHARED.blocks && this.#changes === 0
        ? `${this.#head}, ${index}\n`
        : `${this.#number}, ${index}, ${this.#changes}\n`;
    return words.repeat(Math.ceil(UNITS_PER_BLOCK / words.length)).slice(0, UNITS_PER_BLOCK);
  }
}

/** Zipf's law. */
class Popularity {
  readonly #upTo: Float64Array;

  constructor(documents: number, power: number) {
    this.#upTo = new Float64Array(documents);
    let sum = 0;
    for (let rank = 0; rank < documents; rank += 1) {
      sum += (rank + 1) ** -power;
      this.#upTo[rank] = sum;
    }
  }

  /** @param chance in [0, 1). */
  draw(chance: number): number {
    const wanted = chance * (this.#upTo.at(-1) ?? 0);
    let [low, high] = [0, this.#upTo.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#upTo[middle] ?? 0) > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Mean 1. */
function exponential(random: Random): number {
  return -Math.log(1 - random.uniform());
}
