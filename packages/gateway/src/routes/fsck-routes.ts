/** The check, for operators: it runs at the coordinator that leads. */
import type { FsckReport } from "@hearthmesh/collective";
import { FSCK_ENDPOINTS, type FsckReportView } from "../contracts/fsck.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";

export function fsckRoutes({ coordinator }: Pick<GatewayServices, "coordinator">): Route[] {
  return [
    defineRoute(FSCK_ENDPOINTS.runFsck, "operator", async ({ body, caller }) => {
      const { header } = await coordinator.call(caller.principal, "fsck.run", body);
      return { until: (header as { until: number }).until };
    }),
    defineRoute(FSCK_ENDPOINTS.fsckReport, "operator", async ({ caller }) => {
      const answer = await coordinator.call(caller.principal, "fsck.report", {});
      const text = Buffer.from(answer.body).toString("utf8");
      const { report } = JSON.parse(text) as { report: FsckReport | null };
      return { report: report === null ? null : reportView(report) };
    }),
  ];
}

function reportView(report: FsckReport): FsckReportView {
  const counts = Object.entries(report.counts).flatMap(([kind, count]) =>
    count === undefined ? [] : [[kind, count] as const],
  );
  return {
    ...report,
    unreferenced: { ...report.unreferenced },
    nodesAway: [...report.nodesAway],
    skipped: [...report.skipped],
    counts: Object.fromEntries(counts),
    findings: report.findings.map((finding) => ({ ...finding })),
  };
}
