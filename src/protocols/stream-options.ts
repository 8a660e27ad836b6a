import { fieldsWithoutEffect } from "./ignored.ts";
import { type Fields, readBoolean, readObject } from "./parameters.ts";

/** How an OpenAI-shaped answer is to be delivered. */
export interface Delivery {
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** `stream_options` as a whole without `stream`, else what it holds besides `include_usage`. */
  readonly ignored: readonly string[];
}

/** `stream` and `stream_options`; the latter is not even looked at in a plain call, since several clients always send it. */
export function readDelivery(fields: Fields): Delivery {
  const stream = readBoolean(fields, "stream") ?? false;
  if (!stream) return { stream, includeUsage: false, ignored: fieldsWithoutEffect(pick(fields), new Set()) };
  const options = readObject(fields, "stream_options") ?? {};
  return {
    stream,
    includeUsage: readBoolean(options, "include_usage") ?? false,
    ignored: fieldsWithoutEffect(options, new Set(["include_usage"]), {}, "stream_options."),
  };
}

function pick(fields: Fields): Fields {
  return { stream_options: fields["stream_options"] };
}
