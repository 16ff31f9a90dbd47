/** Metrics of healing: what the loop of a node (MAPE-K) looked at, decided and did. */
import { type MetricDefinition, metric } from "./metric-definition.js";

export const HEALING_METRICS = {
  mapek_cycles_total: metric(
    "counter",
    "Rounds of the healer: monitor, analyse, plan, execute",
    ["node"],
    'mapek_cycles_total{node="alice-coordinator"} 86400',
  ),
  mapek_cycle_duration_seconds_total: metric(
    "counter",
    "Time in each phase of the rounds, added up: divide by mapek_cycles_total",
    ["node", "phase"],
    'mapek_cycle_duration_seconds_total{node="alice-coordinator",phase="monitor"} 12.9',
  ),
  mapek_monitors: metric(
    "gauge",
    "Monitors by what they say: well, ill, or unknown for one that cannot see",
    ["node", "verdict"],
    'mapek_monitors{node="alice-coordinator",verdict="well"} 17',
  ),
  mapek_monitor_failures_total: metric(
    "counter",
    "Looks of monitors that failed or took too long: what they watch was unknown then",
    ["node"],
    'mapek_monitor_failures_total{node="alice-coordinator"} 0',
  ),
  mapek_symptoms_total: metric(
    "counter",
    "Symptoms that were believed, by kind",
    ["node", "symptom"],
    'mapek_symptoms_total{node="alice-coordinator",symptom="peer-unreachable"} 2',
  ),
  mapek_incidents_open: metric(
    "gauge",
    "Incidents that this node has open, by symptom and severity",
    ["node", "symptom", "severity"],
    'mapek_incidents_open{node="alice-coordinator",symptom="disk-filling",severity="warning"} 1',
  ),
  mapek_incidents_given_up: metric(
    "gauge",
    "Open incidents against which no remedy helped: a person is needed",
    ["node"],
    'mapek_incidents_given_up{node="alice-coordinator"} 0',
  ),
  mapek_recovery_actions_total: metric(
    "counter",
    "Remedies that were applied, by what became of them: helped or failed",
    ["node", "action", "status"],
    'mapek_recovery_actions_total{node="alice-coordinator",action="redial",status="helped"} 2',
  ),
  mapek_recovery_seconds: metric(
    "histogram",
    "Time from the first sign of a symptom until it was verified that a remedy had ended it",
    ["node", "symptom"],
    "mapek_recovery_seconds_bucket" +
      '{node="alice-coordinator",symptom="peer-unreachable",le="5"} 2',
  ),
  mapek_remedy_suspended: metric(
    "gauge",
    "1 while a remedy is not used at all, because it failed for several subjects in a row",
    ["node", "action"],
    'mapek_remedy_suspended{node="alice-coordinator",action="redial"} 0',
  ),
  mapek_remedy_suspended_subjects: metric(
    "gauge",
    "Subjects, such as nodes, for which a remedy is not used because it failed for them in a row",
    ["node", "action"],
    'mapek_remedy_suspended_subjects{node="alice-coordinator",action="redial"} 1',
  ),
  mapek_mode: metric(
    "gauge",
    "1 for the mode that the healer is in: acting, dry-run or paused",
    ["node", "mode"],
    'mapek_mode{node="alice-coordinator",mode="acting"} 1',
  ),
  mapek_budget_left: metric(
    "gauge",
    "Remedies that the node may still use within the present window",
    ["node"],
    'mapek_budget_left{node="alice-coordinator"} 30',
  ),
} as const satisfies Record<string, MetricDefinition>;
