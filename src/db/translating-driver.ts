import type { CompiledQuery, DatabaseConnection, Driver, QueryResult, TransactionSettings } from "kysely";
import { storeFailure } from "./failure.ts";

/** Another driver, whose connections and queries fail with `StoreFailure`. */
export class TranslatingDriver implements Driver {
  readonly #driver: Driver;

  constructor(driver: Driver) {
    this.#driver = driver;
  }

  init(): Promise<void> {
    return translated(async () => this.#driver.init());
  }

  acquireConnection(): Promise<TranslatingConnection> {
    return translated(async () => new TranslatingConnection(await this.#driver.acquireConnection()));
  }

  beginTransaction(connection: TranslatingConnection, settings: TransactionSettings): Promise<void> {
    return translated(async () => this.#driver.beginTransaction(connection.inner, settings));
  }

  commitTransaction(connection: TranslatingConnection): Promise<void> {
    return translated(async () => this.#driver.commitTransaction(connection.inner));
  }

  rollbackTransaction(connection: TranslatingConnection): Promise<void> {
    return translated(async () => this.#driver.rollbackTransaction(connection.inner));
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

  constructor(inner: DatabaseConnection) {
    this.inner = inner;
  }

  executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    return translated(async () => this.inner.executeQuery<Row>(query));
  }

  streamQuery<Row>(query: CompiledQuery, chunkSize?: number): AsyncIterableIterator<QueryResult<Row>> {
    return this.inner.streamQuery(query, chunkSize);
  }
}

/** @param work may also throw at once: an embedded database does. */
async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw storeFailure(error);
  }
}
