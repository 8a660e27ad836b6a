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
  readonly #params: NativeParams;
  readonly #tokens: Int32Array;
  readonly #positions: Int32Array;
  readonly #sequences: BigUint64Array;
  readonly #outputs: Uint8Array;
  readonly #sequenceIds: Pointer;

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
    this.#sequenceIds = ids.address;
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

  fill(rows: readonly Row[], vocabularySize: number): NativeParams {
    for (const [index, row] of rows.entries()) {
      if (row.token < 0 || row.token >= vocabularySize)
        throw new RangeError(`token ${row.token} is not in the vocabulary`);
      this.#tokens[index] = row.token;
      this.#positions[index] = row.position;
      this.#sequences[index] = this.#sequenceIds + BigInt(row.sequence * 4);
      this.#outputs[index] = row.output ? 1 : 0;
    }
    return { ...this.#params, n_tokens: rows.length };
  }
}
