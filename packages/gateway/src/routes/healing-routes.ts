/** Healing: everybody of the member may look, operators pause it. */
import { errorFields, MeshError } from "@hearthmesh/core";
import type { HealerService } from "@hearthmesh/healing";
import {
  HEALING_ENDPOINTS,
  type HealingModeResponse,
  type IncidentView,
} from "../contracts/healing.js";
import { incidentHtml } from "../healing/incident-html.js";
import { incidentPage } from "../healing/incident-page.js";
import {
  healingModeView,
  healingPlanView,
  healingStatusView,
  incidentView,
  pageOfIncidents,
} from "../healing/incident-view.js";
import type { Caller } from "../server/policy.js";
import { type Call, defineRoute, type Route } from "../server/route.js";
import type { NodeServices } from "../services.js";
import type { Judge } from "./event-routes.js";

type Detail = Readonly<Record<string, string | number>>;
type Services = Pick<NodeServices, "healer" | "clock" | "log">;

/** The page of an incident has no script, and its look is that of the first page. */
const HTML_POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'";

/** `judge`: where changes are written down; undefined on a node without a trail. */
export function healingRoutes(services: Services, judge: Judge | undefined): Route[] {
  const healer = () => healerOf(services);
  return [
    defineRoute(HEALING_ENDPOINTS.healing, "mesh-read", async () =>
      healingStatusView(healer().status()),
    ),
    defineRoute(HEALING_ENDPOINTS.incidents, "mesh-read", async ({ query }) =>
      pageOfIncidents(healer(), query),
    ),
    defineRoute(HEALING_ENDPOINTS.incident, "mesh-read", async ({ params }) => ({
      incident: incidentView(healer().incident(params.incident)),
    })),
    defineRoute(HEALING_ENDPOINTS.incidentPage, "mesh-read", async (call) => {
      sendPage(call, incidentView(healer().incident(call.params.incident)), services.clock.nowMs());
      return undefined;
    }),
    defineRoute(HEALING_ENDPOINTS.healingPlan, "operator", async ({ signal }) =>
      healingPlanView(await healer().plan(signal)),
    ),
    ...changes(services, judge),
  ];
}

/** HTML for browsers, which ask for it; text for everybody else. */
function sendPage(
  { query, request, reply }: Call<typeof HEALING_ENDPOINTS.incidentPage>,
  incident: IncidentView,
  nowMs: number,
): void {
  const { markdown = false, offsetMinutes = 0 } = query;
  const options = { nowMs, markdown, offsetMinutes: () => offsetMinutes };
  reply.header("vary", "Accept");
  if (!markdown && request.headers.accept?.includes("text/html") === true) {
    reply.headers({
      "content-type": "text/html; charset=utf-8",
      "content-security-policy": HTML_POLICY,
    });
    reply.send(incidentHtml(incident, options));
    return;
  }
  reply.header("content-type", `text/${markdown ? "markdown" : "plain"}; charset=utf-8`);
  reply.send(`${incidentPage(incident, options).join("\n")}\n`);
}

function changes(services: Services, judge: Judge | undefined): Route[] {
  const change = async (
    caller: Caller,
    what: { action: "healing.pause" | "healing.resume" | "healing.dry-run"; detail?: Detail },
    apply: (healer: HealerService, by: string) => void,
  ): Promise<HealingModeResponse> => {
    const healer = healerOf(services);
    const actor = actorOf(caller);
    apply(healer, actor.keyId === undefined ? actor.principal.spiffeId : `key/${actor.keyId}`);
    const { nodeId } = healer.status();
    const note = { ...what, subject: `node/${nodeId}` } as const;
    // First the change: a pause has to work when the store, where the trail is, does not.
    const audited = await judge?.healingAudit.note(actor, note).then(
      () => true,
      (error: unknown) => {
        services.log.warn("a change of healing is not in the audit trail", errorFields(error));
        return false;
      },
    );
    return healingModeView(healer, audited ?? false);
  };
  return [
    defineRoute(HEALING_ENDPOINTS.pauseHealing, "operator", ({ body: { forMs }, caller }) => {
      const detail = forMs === undefined ? {} : { detail: { forMs } };
      return change(caller, { action: "healing.pause", ...detail }, (healer, by) =>
        healer.pause(forMs, by),
      );
    }),
    defineRoute(HEALING_ENDPOINTS.resumeHealing, "operator", ({ caller }) =>
      change(caller, { action: "healing.resume" }, (healer, by) => healer.resume(by)),
    ),
    defineRoute(HEALING_ENDPOINTS.healingDryRun, "operator", ({ body: { on }, caller }) =>
      change(
        caller,
        { action: "healing.dry-run", detail: { on: on ? "on" : "off" } },
        (healer, by) => healer.setDryRun(on, by),
      ),
    ),
  ];
}

function actorOf({ principal, keyId }: Caller) {
  return keyId === undefined ? { principal } : { principal, keyId };
}

function healerOf({ healer }: Pick<NodeServices, "healer">): HealerService {
  if (healer !== undefined) return healer;
  throw new MeshError("MESH_NOT_FOUND", {
    message: "healing is switched off on this node",
    hint: "`healing.mode: acting` in the configuration (MESH_HEALING) switches it on.",
  });
}
