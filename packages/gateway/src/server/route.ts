/** A route is an endpoint of the contracts with a policy and the code that answers. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { z } from "zod";
import type { Endpoint } from "../contracts/index.js";
import type { Caller, Policy } from "./policy.js";

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;
type Field<E, Name extends string> = E extends { readonly [Key in Name]: infer Schema }
  ? Parsed<Schema>
  : undefined;

/** One request, with its parts checked against the endpoint's schemas. */
export interface Call<E extends Endpoint> {
  readonly params: Field<E, "params">;
  readonly query: Field<E, "query">;
  readonly body: Field<E, "body">;
  /** Throws `MESH_UNAUTHENTICATED` on a `public` route, which knows nobody. */
  readonly caller: Caller;
  /** Aborted with `MESH_CANCELLED` when the client goes away before the answer is complete. */
  readonly signal: AbortSignal;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/**
 * What the handler gives back: the body, or nothing when it has sent the reply itself. It must
 * never be the reply: that is a promise of the end of the answer, and waiting for it means to wait
 * for the client.
 */
export type AnswerOf<E extends Endpoint> = E extends { readonly response: infer Schema }
  ? Parsed<Schema>
  : undefined;

export interface Route {
  readonly endpoint: Endpoint;
  readonly policy: Policy;
  /** The body is not parsed: the handler reads `call.request.raw`. */
  readonly streamsBody: boolean;
  /** The handler answers HEAD requests too. */
  readonly answersHead: boolean;
  /** Of its body, when it is another limit than the door's. */
  readonly bodyBytesMax: number | undefined;
  handle(call: Call<Endpoint>): Promise<unknown>;
}

export interface RouteOptions {
  readonly streamsBody?: boolean;
  readonly answersHead?: boolean;
  readonly bodyBytesMax?: number;
}

export function defineRoute<const E extends Endpoint>(
  endpoint: E,
  policy: Policy,
  handle: (call: Call<E>) => Promise<AnswerOf<E>>,
  options: RouteOptions = {},
): Route {
  return {
    endpoint,
    policy,
    streamsBody: options.streamsBody ?? false,
    answersHead: options.answersHead ?? false,
    bodyBytesMax: options.bodyBytesMax,
    // The server checks the parts of the call against this endpoint's own schemas before.
    handle: handle as Route["handle"],
  };
}
