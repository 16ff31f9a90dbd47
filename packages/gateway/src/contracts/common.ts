/** Shapes that several requests and answers share. */
import { z } from "zod";

/** Milliseconds since 1970, UTC. */
export const TimeMs = z.number().describe("Milliseconds since 1970-01-01T00:00:00Z");

/** A moment for people and shells, such as `2026-11-21T03:00:00.000Z`. */
export const Timestamp = z.iso.datetime().describe("RFC 3339, UTC");

/** In a query: `true`, `1`, `false` or `0`. */
export const Flag = z.stringbool({ truthy: ["true", "1"], falsy: ["false", "0"] });

export const NodeRole = z.enum(["coordinator", "storage", "gateway", "ai"]);
export type NodeRole = z.infer<typeof NodeRole>;

export const PrincipalKind = z.enum(["coordinator", "node", "person", "foreign"]);
export type PrincipalKind = z.infer<typeof PrincipalKind>;

export const Right = z.enum(["read", "write", "delete", "share"]);
export type Right = z.infer<typeof Right>;

export const Grant = z
  .lazy(() =>
    z.object({
      path: z.string().describe("Absolute path; the grant holds for all below it too"),
      rights: z.array(Right),
      effect: z.enum(["allow", "deny"]),
      notAfterMs: TimeMs.exactOptional(),
    }),
  )
  .meta({ id: "Grant" });
export type Grant = z.infer<typeof Grant>;

/** The body of every answer that is not a success (RFC 9457, `application/problem+json`). */
export const Problem = z
  .lazy(() =>
    z.object({
      type: z.string().describe("Names the kind of problem; the same for one `code`"),
      title: z.string().describe("The registry's sentence for the code"),
      status: z.number().int(),
      detail: z.string().describe("What went wrong this time"),
      code: z.string().describe("A code of docs/errors.md, such as MESH_PATH_NOT_FOUND"),
      hint: z.string().describe("What to do"),
      instance: z.string().exactOptional().describe("Number of the request, as in the log"),
      errors: z
        .array(z.object({ field: z.string(), message: z.string() }))
        .exactOptional()
        .describe("Every field of the request that is wrong"),
      details: z.record(z.string(), z.unknown()).exactOptional(),
    }),
  )
  .meta({ id: "Problem" });
export type Problem = z.infer<typeof Problem>;

/** In a path: which peer. */
export const PeerParams = z.lazy(() =>
  z.object({
    peer: z.string().min(1).max(255).describe("Alias, domain or member"),
  }),
);
