/**
 * Model names that clients know from elsewhere: what each may do, how much it takes, and where open weights of it are.
 * The names are data (`catalogue.json` and the configuration, read in `config/catalogue.ts`). Which weights answer to
 * a name is decided by the configuration.
 */
import type { Sampling } from "../continuation/request.ts";

export interface CatalogueEntry {
  readonly name: string;
  /** Other spellings of the name. */
  readonly aliases: readonly string[];
  /** The completions route takes it. */
  readonly completions: boolean;
  /** Partial Mode takes it. */
  readonly partial: boolean;
  /** Infinite: as much as the weights that answer hold; so are the next two. */
  readonly contextTokens: number;
  readonly maxInputTokens: number;
  readonly maxOutputTokens: number;
  /** Defaults of chat. Completions use them without the repetition and presence penalties. */
  readonly defaults: Sampling;
  /** The dated snapshot behind a moving name, where one is documented. */
  readonly snapshot?: string;
  /** Repository of GGUF files, the same on Hugging Face and ModelScope. Absent: nothing can be pulled by this name. */
  readonly gguf?: string;
  /** Where the name is documented, and the date of that page. */
  readonly source?: string;
  readonly date?: string;
}

/** Names in their order; aliases lead to their entry. */
export class Catalogue {
  readonly entries: readonly CatalogueEntry[];
  readonly #byName: ReadonlyMap<string, CatalogueEntry>;

  constructor(entries: readonly CatalogueEntry[]) {
    this.entries = entries;
    this.#byName = new Map([
      ...entries.flatMap((entry) => entry.aliases.map((alias) => [alias, entry] as const)),
      // Last, so that no alias hides a name.
      ...entries.map((entry) => [entry.name, entry] as const),
    ]);
  }

  /** The entry of a name or of an alias of it (whose `name` is then the catalogue's); undefined: not in the catalogue. */
  find(name: string): CatalogueEntry | undefined {
    return this.#byName.get(name);
  }
}
