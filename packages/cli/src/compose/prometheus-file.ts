/** `prometheus.yml` of a planned mesh: every node, by a name that outlives `network connect`. */
import type { ComposePlan } from "./compose-plan.js";

export function prometheusFile({ nodes, members }: ComposePlan): string {
  return [
    `# Made by \`mesh compose generate --nodes ${nodes}\`, beside docker-compose.yml.`,
    "global:",
    "  scrape_interval: 15s",
    "  evaluation_interval: 15s",
    "",
    "rule_files:",
    "  - /etc/prometheus/rules.yml",
    "",
    "scrape_configs:",
    "  - job_name: hearthmesh",
    "    static_configs:",
    ...members.flatMap(({ name, container }) => [
      `      - targets: ["${container}:9090"]`,
      `        labels: { instance: ${name} }`,
    ]),
    "",
  ].join("\n");
}
