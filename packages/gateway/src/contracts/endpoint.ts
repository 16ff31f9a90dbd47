/** What an endpoint is: a method, a path and the shapes of what goes in and out. */
import type { z } from "zod";

export interface Endpoint {
  readonly method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";
  /** `:name` stands for a parameter, `*` at the end for the rest. */
  readonly path: string;
  readonly tag: "health" | "mesh" | "trust" | "files" | "kv" | "enrolment" | "page" | "ai";
  readonly summary: string;
  /** Status of the answer when all went well; 200 when absent. */
  readonly successStatus?: 200 | 201;
  readonly params?: z.ZodType;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Absent when the answer or the body is a stream of bytes. */
  readonly response?: z.ZodType;
}
