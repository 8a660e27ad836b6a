import type { CompiledQuery, DatabaseConnection, Driver, QueryResult, TransactionSettings } from "kysely";
import { type StorePlace, storeFailure } from "./failure.ts";

/** Another driver, whose connections and queries fail with `StoreFailure`. */
export class TranslatingDriver implements Driver {
  readonly #driver: Driver;
  readonly #place: StorePlace;

  constructor(driver: Driver, place: StorePlace) {
    this.#driver = driver;
    this.#place = place;
  }

  init(): Promise<void> {
    return translated(this.#place, async () => this.#driver.init());
  }

  acquireConnection(): Promise<TranslatingConnection> {
    return translated(
      this.#place,
      async () => new TranslatingConnection(await this.#driver.acquireConnection(), this.#place),
    );
  }

  beginTransaction(connection: TranslatingConnection, settings: TransactionSettings): Promise<void> {
    return translated(this.#place, async () => this.#driver.beginTransaction(connection.inner, settings));
  }

  commitTransaction(connection: TranslatingConnection): Promise<void> {
    return translated(this.#place, async () => this.#driver.commitTransaction(connection.inner));
  }

  rollbackTransaction(connection: TranslatingConnection): Promise<void> {
    return translated(this.#place, async () => this.#driver.rollbackTransaction(connection.inner));
  }

  releaseConnection(connection: TranslatingConnection): Promise<void> {
    return this.#driver.releaseConnection(connection.inner);
  }

  destroy(): Promise<void> {
    return this.#driver.destroy();
  }
}

class TranslatingConnection implements DatabaseConnection {
  readonly inner: DatabaseConnection;
  readonly #place: StorePlace;

  constructor(inner: DatabaseConnection, place: StorePlace) {
    this.inner = inner;
    this.#place = place;
  }

  executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    return translated(this.#place, async () => this.inner.executeQuery<Row>(query));
  }

  streamQuery<Row>(query: CompiledQuery, chunkSize?: number): AsyncIterableIterator<QueryResult<Row>> {
    return this.inner.streamQuery(query, chunkSize);
  }
}

/** @param work may also throw at once: an embedded database does. */
async function translated<T>(place: StorePlace, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeFailure(error, place);
  }
}
