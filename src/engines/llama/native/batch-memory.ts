import koffi from "koffi";
import type { NativeParams, Pointer } from "./api.ts";

/** One row of a batch. */
export interface Row {
  readonly token: number;
  readonly position: number;
  readonly sequence: number;
  /** The row's logits are wanted. */
  readonly output: boolean;
}

/** The arrays of a llama_batch, allocated once outside the JavaScript heap. */
export class BatchMemory {
  readonly #params: NativeParams & { n_tokens: number };
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  readonly #outputs: Uint8Array;
  /** Per row a pointer to its sequence id. */
  readonly #sequences: BigUint64Array;
  /** Per row the sequence that its pointer names. Mostly the one of the step before, and big integers cost. */
  readonly #pointed: Int32Array;
  /** Where each sequence id lies. */
  readonly #sequenceIds: readonly Pointer[];

  constructor(capacity: number, sequences: number) {
    const int32 = (length: number): { address: Pointer; view: Int32Array } => {
      const address = koffi.address(koffi.alloc("int32", length));
      return { address, view: new Int32Array(koffi.view(address, length * 4)) };
    };
    const tokens = int32(capacity);
    const positions = int32(capacity);
    const counts = int32(capacity);
    const ids = int32(sequences);
    const pointers = koffi.address(koffi.alloc("uint64", capacity));
    const outputs = koffi.address(koffi.alloc("uint8", capacity));
    ids.view.set(Array.from({ length: sequences }, (_, index) => index));
    counts.view.fill(1);
    this.#tokens = tokens.view;
    this.#positions = positions.view;
    this.#sequences = new BigUint64Array(koffi.view(pointers, capacity * 8));
    this.#outputs = new Uint8Array(koffi.view(outputs, capacity));
    this.#pointed = new Int32Array(capacity).fill(-1);
    this.#sequenceIds = Array.from({ length: sequences }, (_, index) => ids.address + BigInt(index * 4));
    this.#params = {
      n_tokens: 0,
      token: tokens.address,
      embd: null,
      pos: positions.address,
      n_seq_id: counts.address,
      seq_id: pointers,
      logits: outputs,
    };
  }

  /** The batch of these rows, valid until the next call. */
  fill(rows: readonly Row[], vocabularySize: number): NativeParams {
    let index = 0;
    for (const { token, position, sequence, output } of rows) {
      if (token < 0 || token >= vocabularySize) throw new RangeError(`token ${token} is not in the vocabulary`);
      this.#tokens[index] = token;
      this.#positions[index] = position;
      this.#outputs[index] = output ? 1 : 0;
      if (this.#pointed[index] !== sequence) this.#point(index, sequence);
      index += 1;
    }
    this.#params.n_tokens = rows.length;
    return this.#params;
  }

  #point(index: number, sequence: number): void {
    const address = this.#sequenceIds[sequence];
    if (address === undefined) throw new RangeError(`there is no sequence ${sequence}`);
    this.#sequences[index] = address;
    this.#pointed[index] = sequence;
  }
}
