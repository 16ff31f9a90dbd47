/** The check of names, references and chunks against each other, for operators. */
import { z } from "zod";
import { TimeMs } from "./common.js";
import type { Endpoint } from "./endpoint.js";

export const FsckFindingView = z
  .lazy(() =>
    z.object({
      kind: z.enum([
        "chunks-lost",
        "chunks-away",
        "segment-missing",
        "reference-missing",
        "reference-stray",
        "segment-stray",
        "queue-stray",
        "directory-orphan",
        "dead-alive",
        "file-twice",
        "usage-wrong",
      ]),
      path: z.string().exactOptional(),
      id: z.string().exactOptional().describe("Content, directory or chunk"),
      detail: z.string(),
      mended: z.boolean(),
    }),
  )
  .meta({ id: "FsckFinding" });
export type FsckFindingView = z.infer<typeof FsckFindingView>;

export const FsckReportView = z
  .lazy(() =>
    z.object({
      startedAtMs: TimeMs,
      tookMs: z.number(),
      revision: z.number().int().describe("Of the store, at which the rows were read"),
      repair: z.boolean(),
      state: z
        .enum(["clean", "untidy", "unknown", "lost"])
        .describe("lost: contents are gone; unknown: nodes are away, or something was skipped"),
      files: z.number().int(),
      directories: z.number().int(),
      bytes: z.number(),
      references: z.number().int(),
      chunks: z.number().int().describe("Different chunks that are referred to"),
      underReplicated: z.number().int(),
      unreferenced: z
        .object({ chunks: z.number().int(), oldestAtMs: TimeMs.exactOptional() })
        .describe("Chunks on the nodes that nothing refers to"),
      dead: z.number().int().describe("Removed contents that are not swept yet"),
      trash: z.number().int(),
      nodesAway: z.array(z.string()),
      skipped: z.array(z.string()).describe("What was not looked at, and why"),
      counts: z.record(z.string(), z.number().int()).describe("Findings by kind"),
      mended: z.number().int(),
      findings: z.array(FsckFindingView).describe("A bounded number"),
    }),
  )
  .meta({ id: "FsckReport" });
export type FsckReportView = z.infer<typeof FsckReportView>;

export const FsckRunRequest = z.lazy(() =>
  z.object({ repair: z.boolean().exactOptional() }).strict(),
);
export type FsckRunRequest = z.infer<typeof FsckRunRequest>;

export const FsckRunResponse = z.lazy(() =>
  z.object({
    until: z.number().int().describe("It has ended when the worker `fsck` has so many `runs`"),
  }),
);
export type FsckRunResponse = z.infer<typeof FsckRunResponse>;

export const FsckReportResponse = z.lazy(() =>
  z.object({
    report: FsckReportView.nullable().describe("null: none since the present leader leads"),
  }),
);
export type FsckReportResponse = z.infer<typeof FsckReportResponse>;

export const FSCK_ENDPOINTS = {
  runFsck: {
    method: "POST",
    path: "/api/fsck",
    tag: "mesh",
    summary: "Start a check; with `repair` it mends what is safe",
    body: FsckRunRequest,
    response: FsckRunResponse,
  },
  fsckReport: {
    method: "GET",
    path: "/api/fsck",
    tag: "mesh",
    summary: "What the last check found",
    response: FsckReportResponse,
  },
} as const satisfies Record<string, Endpoint>;
