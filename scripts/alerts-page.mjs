/** `docs/alerts.md`, made from the rules that Prometheus loads. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { root } from "./lib.mjs";

/**
 * @typedef {{ alert: string, expr: string, for: string, labels: { severity: string },
 *   annotations: { summary: string, description: string, action: string } }} AlertRule
 */

/** @returns {AlertRule[]} */
export function alertRules() {
  const text = readFileSync(join(root, "deploy/monitoring/rules.yml"), "utf8");
  return parse(text).groups.flatMap((group) => group.rules);
}

const SEVERITIES = {
  critical: "somebody should look now",
  warning: "somebody should look today",
  info: "worth knowing",
};

export function alertsPage() {
  const rules = alertRules();
  const rows = rules.map(({ alert, labels, ...rule }) => {
    const link = `[${alert}](#${alert.toLowerCase()})`;
    return `| ${link} | ${labels.severity} | ${rule.for} |`;
  });
  const sections = rules.map(({ alert, expr, annotations, labels, ...rule }) =>
    [
      `## ${alert}`,
      "",
      `${annotations.description} *${labels.severity}, after ${rule.for}*`,
      "",
      `**What to do.** ${annotations.action}`,
      "",
      "```",
      expr,
      "```",
      "",
    ].join("\n"),
  );
  return [
    "# Alerts",
    "",
    "<!-- Made by `npm run docs` from deploy/monitoring/rules.yml. -->",
    "",
    "`deploy/monitoring/rules.yml` holds them for Prometheus; [watching](watching.md) says how to",
    "load it. `promtool test rules rules.test.yml` beside it makes each one fire.",
    "",
    ...Object.entries(SEVERITIES).map(([name, meaning]) => `- **${name}**: ${meaning}`),
    "",
    "| alert | severity | after |",
    "|---|---|---|",
    ...rows,
    "",
    ...sections,
  ].join("\n");
}
