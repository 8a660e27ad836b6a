import { createHash } from "node:crypto";
import type { FinishPart, StartPart } from "../continuation/output.ts";
import { type Answer, isOwnBound, type Piece } from "./answer.ts";
import { digestOf, type Place } from "./place.ts";

export interface MemoryOptions {
  /** Most bytes of remembered answers, about; 0 remembers nothing. */
  readonly bytes: number;
  /** An answer is forgotten so long after it began, milliseconds. */
  readonly ageMs: number;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** An answer that was said at some place. */
export interface Remembered extends Answer {
  /** Length of the text at whose end it was said, UTF-16 units. */
  readonly units: number;
}

/** A remembered answer that goes on where somebody is now. */
export interface Found {
  readonly answer: Remembered;
  /** So much of it has been typed since. */
  readonly typedUnits: number;
}

/** An answer while it is being said. What is told after it was forgotten has no effect. */
export interface Remembering {
  add(piece: Piece): void;
  counted(promptTokens: number): void;
  end(end: FinishPart): void;
}

interface Entry {
  readonly owner: string;
  readonly units: number;
  readonly digest: string;
  readonly bornMs: number;
  readonly start: StartPart;
  readonly pieces: Piece[];
  text: string;
  bytes: number;
  promptTokens: number | undefined;
  readonly maxTokens: number | undefined;
  isAtBound: boolean;
  end: FinishPart | undefined;
}

/** Bytes of an entry without its text: objects, digests, the start part. And of each piece. */
const ENTRY_BYTES = 800;
const PIECE_BYTES = 120;
/** Answers to one caller that differ in nothing but the text before the cursor; looking one up compares the typed text with each. */
const MOST_OF_OWNER = 64;

/** Recent answers and where they were said. It holds digests of the texts before them, and never those texts. */
export class AnswerMemory {
  readonly #options: MemoryOptions;
  /** By owner, the oldest first. */
  readonly #byOwner = new Map<string, Entry[]>();
  /** The one that was not used for longest first. */
  readonly #byUse = new Set<Entry>();
  #bytes = 0;

  constructor(options: MemoryOptions) {
    this.#options = options;
  }

  /** Of all that is remembered, about. */
  get bytes(): number {
    this.#forgetUnused();
    return this.#bytes;
  }

  /**
   * The answer that goes on at a place: said there, or where a beginning of it has been typed since. Of several the one that
   * was said nearest to the place, then the latest.
   *
   * @param owner whose answers, and of which model.
   */
  find(owner: string, { text, rest }: Place): Found | undefined {
    const entries = this.#byOwner.get(keyOf(owner, rest)) ?? [];
    this.#forgetOld(entries);
    const fitting = entries.filter((entry) => {
      const typed = text.length - entry.units;
      return typed >= 0 && typed < entry.text.length && text.endsWith(entry.text.slice(0, typed));
    });
    const same = withSameBeginning(fitting, text);
    const found = same.reduce<Entry | undefined>(
      (best, each) => (best === undefined || each.units >= best.units ? each : best),
      undefined,
    );
    if (found === undefined) return undefined;
    this.#byUse.delete(found);
    this.#byUse.add(found);
    return { answer: snapshotOf(found), typedUnits: text.length - found.units };
  }

  /**
   * Remembers an answer that begins at a place, in place of one that began there before.
   *
   * @param maxTokens that it was asked for; absent: no bound.
   */
  remember(owner: string, { text, rest }: Place, start: StartPart, maxTokens?: number): Remembering {
    const entry: Entry = {
      ...{ owner: keyOf(owner, rest), units: text.length, digest: digestOf(text), bornMs: this.#options.now() },
      ...{ start, pieces: [], text: "", bytes: 0, promptTokens: start.promptTokens, end: undefined },
      ...{ maxTokens, isAtBound: false },
    };
    this.#keep(entry);
    return {
      add: (piece) => {
        entry.pieces.push(piece);
        entry.text += piece.text;
        this.#grow(entry, PIECE_BYTES + 4 * piece.text.length + 8 * piece.tokenCount);
      },
      counted: (promptTokens) => {
        entry.promptTokens = promptTokens;
      },
      end: (end) => {
        // Who runs the engine did not let it say more, and may decide otherwise another time.
        if (end.reason === "content_filter") this.#forget(entry);
        if (isOwnBound(end.reason, entry.pieces, maxTokens)) entry.isAtBound = end.reason === "length";
        else entry.end = end;
      },
    };
  }

  #keep(entry: Entry): void {
    this.#forgetUnused();
    const others = this.#byOwner.get(entry.owner) ?? [];
    const before = others.find(({ units, digest }) => units === entry.units && digest === entry.digest);
    if (before !== undefined) this.#forget(before);
    else if (others.length >= MOST_OF_OWNER && others[0] !== undefined) this.#forget(others[0]);
    others.push(entry);
    this.#byOwner.set(entry.owner, others);
    this.#byUse.add(entry);
    this.#grow(entry, ENTRY_BYTES);
  }

  #grow(entry: Entry, bytes: number): void {
    if (!this.#byUse.has(entry)) return;
    entry.bytes += bytes;
    this.#bytes += bytes;
    for (const oldest of this.#byUse) {
      if (this.#bytes <= this.#options.bytes) return;
      this.#forget(oldest);
    }
  }

  #forgetOld(entries: readonly Entry[]): void {
    for (const entry of [...entries]) if (this.#isOld(entry)) this.#forget(entry);
  }

  /** Old ones that nobody looks for. */
  #forgetUnused(): void {
    for (const entry of this.#byUse) {
      if (!this.#isOld(entry)) return;
      this.#forget(entry);
    }
  }

  #isOld({ bornMs }: Entry): boolean {
    return this.#options.now() - bornMs >= this.#options.ageMs;
  }

  #forget(entry: Entry): void {
    if (!this.#byUse.delete(entry)) return;
    this.#bytes -= entry.bytes;
    const entries = this.#byOwner.get(entry.owner) ?? [];
    entries.splice(entries.indexOf(entry), 1);
    if (entries.length === 0) this.#byOwner.delete(entry.owner);
  }
}

/** Those that were said at the end of a beginning of this text. Each unit of it is hashed once. */
function withSameBeginning(entries: readonly Entry[], text: string): readonly Entry[] {
  const hash = createHash("sha256");
  let hashed = 0;
  return [...entries]
    .sort((one, other) => one.units - other.units)
    .filter(({ units, digest }) => {
      hash.update(text.slice(hashed, units), "utf16le");
      hashed = units;
      return hash.copy().digest("base64") === digest;
    });
}

function snapshotOf({ start, pieces, promptTokens, maxTokens, isAtBound, end, units }: Entry): Remembered {
  return {
    ...{ start, units, pieces: [...pieces], isAtBound },
    ...(maxTokens !== undefined && { maxTokens }),
    ...(promptTokens !== undefined && { promptTokens }),
    ...(end !== undefined && { end }),
  };
}

function keyOf(owner: string, rest: string): string {
  return `${rest} ${owner}`;
}
