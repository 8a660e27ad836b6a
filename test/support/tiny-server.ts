/** A running server with tiny models of its own; everything is gone after `stop`. */
import { join } from "node:path";
import { temporaryFolder } from "./files.ts";
import { type RunningServer, type ServerOptions, startServer } from "./server.ts";
import { type TinyModelOptions, writeTinyModel } from "./tiny-model.ts";
import type { Vocabulary } from "./tiny-vocabulary.ts";

export interface TinyServer extends RunningServer {
  /** Path of the first model's file. */
  readonly file: string;
  /** Of the first model. */
  readonly vocabulary: Vocabulary;
}

/**
 * @param models public name → the model's peculiarities. Default: one model, `tiny`.
 * @param options further arguments and environment of the server
 */
export async function startTinyServer(
  models: Readonly<Record<string, TinyModelOptions>> = { tiny: {} },
  options: Omit<ServerOptions, "models"> = {},
): Promise<TinyServer> {
  const folder = temporaryFolder();
  try {
    const written = Object.entries(models).map(([name, peculiarities]) => {
      const file = join(folder.path, `${name}.gguf`);
      return { name, file, vocabulary: writeTinyModel(file, { name, ...peculiarities }) };
    });
    const [first] = written;
    if (first === undefined) throw new RangeError("name at least one model");
    const server = await startServer({ ...options, models: written.map(({ name, file }) => `${name}=${file}`) });
    const stop = () => server.stop().finally(folder.remove);
    return { ...server, file: first.file, vocabulary: first.vocabulary, stop };
  } catch (error) {
    folder.remove();
    throw error;
  }
}
