import { metricsText } from "@hearthmesh/gateway/plain";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HttpMetrics } from "../../../gateway/src/index.js";
// A test may look at what the doors are tested with.
import {
  blockedIncident,
  givenUpIncident,
  mendedIncident,
} from "../../../gateway/src/testing/incidents.js";
import { ScriptedHealer } from "../../../gateway/src/testing/scripted-healer.js";
import { HealingMetrics } from "./healing-metrics.js";

let healer: ScriptedHealer;
let metrics: HealingMetrics;

beforeEach(() => {
  healer = new ScriptedHealer();
  metrics = new HealingMetrics(healer);
});
afterEach(() => metrics.close());

const lines = (name: string) =>
  metricsText(metrics.values())
    .split("\n")
    .filter((line) => line.startsWith(name));

function mended(id: string, verifiedMs: number, more = {}): void {
  const { timings, ...rest } = mendedIncident(id);
  healer.emit({
    kind: "incident",
    incident: { ...rest, timings: { ...timings, verifiedMs }, ...more },
  });
}

describe("the metrics of healing", () => {
  it("tell how the loop runs, and what it can see", () => {
    expect(lines("mapek_cycle")).toEqual([
      'mapek_cycles_total{node="home"} 120',
      'mapek_cycle_duration_seconds_total{node="home",phase="monitor"} 1.5',
      'mapek_cycle_duration_seconds_total{node="home",phase="analyse"} 0.01',
      'mapek_cycle_duration_seconds_total{node="home",phase="plan"} 0.004',
      'mapek_cycle_duration_seconds_total{node="home",phase="execute"} 2',
    ]);
    expect(lines("mapek_monitors")).toEqual([
      'mapek_monitors{node="home",verdict="well"} 1',
      'mapek_monitors{node="home",verdict="ill"} 0',
      'mapek_monitors{node="home",verdict="unknown"} 1',
    ]);
    expect(lines("mapek_remedy_suspended{")).toEqual([
      'mapek_remedy_suspended{node="home",action="redial"} 1',
    ]);
    expect(lines("mapek_remedy_suspended_subjects")).toEqual([
      'mapek_remedy_suspended_subjects{node="home",action="redial"} 1',
    ]);
    healer.pause(undefined, "me");
    expect(lines("mapek_mode").map((line) => line.slice(-1))).toEqual(["0", "0", "1"]);
  });

  it("count what is open here, and leave other nodes to count theirs", () => {
    const elsewhere = { ...blockedIncident("x"), nodeId: "ff".repeat(32) };
    healer.incidents = [blockedIncident(), givenUpIncident(), elsewhere];
    const open = lines("mapek_incidents_open").filter((line) => !line.endsWith(" 0"));
    expect(open).toEqual([
      'mapek_incidents_open{node="home",symptom="process-down",severity="critical"} 1',
      'mapek_incidents_open{node="home",symptom="node-corrupts",severity="critical"} 1',
    ]);
    expect(lines("mapek_incidents_given_up")).toEqual(['mapek_incidents_given_up{node="home"} 1']);
  });

  it("have a series for each symptom and remedy before anything happens", () => {
    const none = 'mapek_symptoms_total{node="home",symptom="disk-full"} 0';
    expect(lines("mapek_symptoms_total")).toContain(none);
    expect(lines("mapek_symptoms_total")).toContain(
      'mapek_symptoms_total{node="home",symptom="peer-unreachable"} 3',
    );
    expect(lines("mapek_recovery_actions_total")).toEqual([
      'mapek_recovery_actions_total{node="home",action="redial",status="helped"} 0',
      'mapek_recovery_actions_total{node="home",action="redial",status="failed"} 0',
    ]);
    healer.applied = new Map([["redial", { helped: 6, failed: 1 }]]);
    expect(lines("mapek_recovery_actions_total").map((line) => line.slice(-1))).toEqual(["6", "1"]);
  });

  it("count each recovery once, in its bucket", () => {
    mended("a", 90);
    mended("b", 2_500);
    mended("b", 2_500);
    mended("c", 4_000_000);
    mended("d", 100, { nodeId: "ff".repeat(32) });
    mended("e", 100, { state: "passed" });
    const series = '{node="home",symptom="peer-unreachable"';
    const counted = lines("mapek_recovery_seconds").map((line) => line.replace(series, ""));
    expect(counted).toEqual([
      'mapek_recovery_seconds_bucket,le="0.1"} 1',
      ...["0.25", "0.5", "1", "2"].map((le) => `mapek_recovery_seconds_bucket,le="${le}"} 1`),
      ...["3", "5", "10", "30", "60", "300", "1800"].map(
        (le) => `mapek_recovery_seconds_bucket,le="${le}"} 2`,
      ),
      'mapek_recovery_seconds_bucket,le="+Inf"} 3',
      "mapek_recovery_seconds_sum} 4002.59",
      "mapek_recovery_seconds_count} 3",
    ]);
  });

  it("are the same text where a gateway serves them", async () => {
    mended("a", 90);
    const { body } = await new HttpMetrics(async () => metrics.values()).render();
    expect(body).toContain("# TYPE mapek_recovery_seconds histogram\n");
    for (const line of metricsText(metrics.values()).split("\n")) expect(body).toContain(line);
  });

  it("end with their listening", () => {
    expect(healer.listeners).toBe(1);
    metrics.close();
    expect(healer.listeners).toBe(0);
  });
});
