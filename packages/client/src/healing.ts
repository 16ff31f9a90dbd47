/** The healer of a node: what it sees, what it did, and whether it may act. */
import type {
  HealingModeResponse,
  HealingPauseRequest,
  HealingPlanResponse,
  HealingStatusResponse,
  IncidentResponse,
  IncidentsResponse,
} from "@hearthmesh/gateway/contracts";
import { readJson } from "./answers.js";
import type { ApiClient } from "./api-client.js";
import { queryOf } from "./query-text.js";

export interface IncidentsQuestion {
  readonly limit?: number | undefined;
  readonly kind?: string | undefined;
  /** Name or id. */
  readonly node?: string | undefined;
  /** Id of an incident: only older ones. */
  readonly before?: string | undefined;
}

/** Monitors may take this long before they are given up. */
const PLAN_IDLE_MS = 60_000;

export function healingStatus(api: ApiClient): Promise<HealingStatusResponse> {
  return api.call("GET", "/api/healing");
}

export function listIncidents(
  api: ApiClient,
  question: IncidentsQuestion = {},
): Promise<IncidentsResponse> {
  return api.call("GET", `/api/healing/incidents${queryOf({ ...question })}`);
}

/** `MESH_NOT_FOUND`. */
export function showIncident(api: ApiClient, id: string): Promise<IncidentResponse> {
  return api.call("GET", `/api/healing/incidents/${encodeURIComponent(id)}`);
}

export async function planHealing(api: ApiClient): Promise<HealingPlanResponse> {
  const answer = await api.send({
    method: "POST",
    path: "/api/healing/plan",
    headers: { accept: "application/json" },
    idleTimeoutMs: PLAN_IDLE_MS,
  });
  return readJson(answer);
}

export function pauseHealing(
  api: ApiClient,
  request: HealingPauseRequest = {},
): Promise<HealingModeResponse> {
  return api.call("POST", "/api/healing/pause", request);
}

export function resumeHealing(api: ApiClient): Promise<HealingModeResponse> {
  return api.call("POST", "/api/healing/resume");
}

export function setHealingDryRun(api: ApiClient, on: boolean): Promise<HealingModeResponse> {
  return api.call("POST", "/api/healing/dry-run", { on });
}
