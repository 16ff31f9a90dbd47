/** Grants: what somebody may do on a path and below it, and why. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { Grant, TimeMs } from "./common.js";

const Right = z.enum(["read", "write", "delete", "share"]);
const SUBJECT_LENGTH_MAX = 400;
const Subject = z
  .string()
  .min(1)
  .max(SUBJECT_LENGTH_MAX)
  .describe(
    "`carol@office.carol`, `*@garage.bob`, `*@*`, `operator@garage.bob`; a node id or a SPIFFE " +
      "id for a name that two could have",
  );
const Path = z.string().min(1).max(limits.PATH_BYTES_MAX);

export const GrantAddRequest = z.lazy(() =>
  z
    .object({
      subject: Subject,
      grant: z
        .string()
        .min(1)
        .max(limits.PATH_BYTES_MAX + 64)
        .describe("`PATH:RIGHT+RIGHT`, such as `/shared:read+write`"),
      deny: z.boolean().default(false).describe("Takes the rights away instead"),
      until: z.string().max(40).exactOptional().describe("`7d` from now, or a date"),
    })
    .strict(),
);
/** What a caller sends. */
export type GrantAddRequest = z.input<typeof GrantAddRequest>;

export const GrantEntry = z
  .lazy(() =>
    z.object({
      id: z.string(),
      subject: z.string(),
      nodeId: z.string().exactOptional().describe("Key of a person of this member"),
      grant: Grant,
      text: z.string().describe("The grant as people write it"),
      state: z
        .enum(["open", "ended", "revoked", "no-peer"])
        .describe("`no-peer`: its domain is no peer now, or was accepted anew since"),
      createdBy: z.string().describe("SPIFFE id, or `key/<id>`"),
      givenBy: z.string().exactOptional().describe("Name of the person who passed it on"),
      createdAtMs: TimeMs,
    }),
  )
  .meta({ id: "GrantEntry" });
export type GrantEntry = z.infer<typeof GrantEntry>;

export const GrantAddResponse = z.lazy(() => z.object({ grant: GrantEntry }));
export type GrantAddResponse = z.infer<typeof GrantAddResponse>;

export const GrantsQuery = z.lazy(() =>
  z.object({
    subject: Subject.exactOptional(),
    path: Path.exactOptional().describe(
      "Only those that say something about this path or below it",
    ),
  }),
);
export type GrantsQuery = z.infer<typeof GrantsQuery>;

export const GrantsResponse = z.lazy(() => z.object({ grants: z.array(GrantEntry) }));
export type GrantsResponse = z.infer<typeof GrantsResponse>;

export const GrantParams = z.lazy(() =>
  z.object({ grant: z.string().min(1).max(64).describe("Id of a grant") }),
);

export const GrantRemoveResponse = z.lazy(() => z.object({ removed: GrantEntry }));
export type GrantRemoveResponse = z.infer<typeof GrantRemoveResponse>;

export const GrantExplainQuery = z.lazy(() =>
  z.object({
    subject: Subject.exactOptional().describe("Left out: the caller itself"),
    path: Path,
    right: Right.default("read"),
  }),
);
/** What a caller sends. */
export type GrantExplainQuery = z.input<typeof GrantExplainQuery>;

export const ExplainedGrant = z
  .lazy(() =>
    z.object({
      text: z.string().describe("As people write it"),
      origin: z.enum(["invite", "book"]),
      id: z.string().exactOptional().describe("Of the book: for removing it"),
      subject: z.string().exactOptional().describe("When it was made for a whole domain"),
      givenBy: z.string().exactOptional().describe("Name of the person who passed it on"),
      verdict: z.string(),
    }),
  )
  .meta({ id: "ExplainedGrant" });
export type ExplainedGrant = z.infer<typeof ExplainedGrant>;

export const GrantExplanation = z
  .lazy(() =>
    z.object({
      subject: z.string(),
      path: z.string(),
      right: Right,
      allowed: z.boolean(),
      reason: z.string(),
      notAfterMs: TimeMs.exactOptional().describe("Until when, when it ends"),
      decidedBy: ExplainedGrant.exactOptional(),
      others: z.array(ExplainedGrant).describe("Looked at too; those that matter most come first"),
      notes: z.array(z.string()),
      advice: z.array(z.string()).describe("What would change it"),
    }),
  )
  .meta({ id: "GrantExplanation" });
export type GrantExplanation = z.infer<typeof GrantExplanation>;

/** On the API doors. */
export const GRANT_ENDPOINTS = {
  grants: {
    method: "GET",
    path: "/api/grants",
    tag: "trust",
    summary: "Grants of the book; a person sees its own and those that it gave",
    query: GrantsQuery,
    response: GrantsResponse,
  },
  addGrant: {
    method: "POST",
    path: "/api/grants",
    tag: "trust",
    summary: "Give rights on a path, or take them away with `deny`",
    successStatus: 201,
    body: GrantAddRequest,
    response: GrantAddResponse,
  },
  removeGrant: {
    method: "DELETE",
    path: "/api/grants/:grant",
    tag: "trust",
    summary: "Remove a grant; what runs on it is cut",
    params: GrantParams,
    response: GrantRemoveResponse,
  },
  explainGrant: {
    method: "GET",
    path: "/api/grants/explain",
    tag: "trust",
    summary: "Why somebody may or may not do something, and what would change it",
    query: GrantExplainQuery,
    response: GrantExplanation,
  },
} as const;
