import type { FastifyInstance } from "fastify";
import { excerpt, ServiceError } from "../errors.ts";
import { withoutKeys } from "../telemetry/log.ts";

/** Every path of a service, as patterns like `/v1/models/{name}`, noted as its routes are registered. */
export class KnownPaths {
  readonly #paths = new Set<string>();

  constructor(app: FastifyInstance) {
    app.addHook("onRoute", ({ url }) => {
      // `*` answers preflights of any path.
      if (url.startsWith("/")) this.#paths.add(url.replace(/\*$/, "{name}").replaceAll(/:(\w+)/g, "{$1}"));
    });
  }

  /** `not_found` that says what was asked for, and what there is instead. */
  refusal(method: string, path: string): ServiceError {
    const asked = `There is no ${method} ${excerpt(withoutKeys(path))} here`;
    const meant = this.#alike(path.replace(/\/$/, ""));
    if (meant.length > 0) return new ServiceError("not_found", `${asked}; did you mean ${meant.join(" or ")}?`);
    const beside = [...this.#paths].filter((known) => firstSegment(known) === firstSegment(path));
    const there = beside.length > 0 ? beside : this.#firstSegments();
    return new ServiceError("not_found", `${asked}. There is: ${there.join(", ")}. GET /docs shows all of it.`);
  }

  /** Paths that end like the whole of the given one, or the other way round: a client's base address has `/v1` once too often or not at all. */
  #alike(path: string): readonly string[] {
    if (path === "") return [];
    const depth = (known: string): number => known.split("/").length;
    return [...this.#paths].filter(
      (known) => known.endsWith(path) || (depth(known) > 2 && !known.includes("{") && path.endsWith(known)),
    );
  }

  #firstSegments(): readonly string[] {
    return [...new Set([...this.#paths].map(firstSegment))].filter((segment) => segment !== "/");
  }
}

function firstSegment(path: string): string {
  return path.split("/", 2).join("/");
}
