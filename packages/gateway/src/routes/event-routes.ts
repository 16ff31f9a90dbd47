/** The event stream of a node. */
import { MeshError } from "@hearthmesh/core";
import { EVENT_ENDPOINTS } from "../contracts/events.js";
import type { EventFeed } from "../events/event-feed.js";
import { sendEvents } from "../events/send-events.js";
import { streamOwner } from "../events/stream-shares.js";
import { addressOf } from "../server/caller.js";
import { type Call, defineRoute, type Route } from "../server/route.js";
import type { GatewayServices, NodeServices } from "../services.js";

/** What only a coordinator has: it knows who was let in, and whether that still holds. */
export type Judge = Pick<GatewayServices["authority"], "apiKeys" | "isRevoked" | "healingAudit">;

export function eventRoutes(
  services: Pick<NodeServices, "events" | "clock">,
  judge: Judge | undefined,
): Route[] {
  return [
    defineRoute(EVENT_ENDPOINTS.events, "mesh-read", async (call) => {
      const last = call.request.headers["last-event-id"];
      const reader = feedOf(services).open(
        streamOwner(call.caller, addressOf(call.request.raw)),
        last === undefined ? undefined : String(last),
      );
      // Before it is taken over: with what the door says in every answer.
      const said = Object.entries(call.reply.getHeaders());
      const headers = Object.fromEntries(said.map(([name, value]) => [name, String(value)]));
      call.reply.hijack();
      // Answered when the client has gone: nobody waits for it.
      void sendEvents(reader, {
        response: call.reply.raw,
        headers,
        clock: services.clock,
        check: () => checkCaller(services, judge, call),
      });
      return undefined;
    }),
  ];
}

function feedOf({ events }: Pick<NodeServices, "events">): EventFeed {
  if (events !== undefined) return events;
  throw new MeshError("MESH_NOT_FOUND", { message: "this node tells no events" });
}

/** A stream outlives its request: what let the caller in may have been taken back meanwhile. */
function checkCaller(
  { clock }: Pick<NodeServices, "clock">,
  judge: Judge | undefined,
  { caller, request }: Pick<Call<typeof EVENT_ENDPOINTS.events>, "caller" | "request">,
): void {
  const { keyId, proved, principal } = caller;
  if (keyId !== undefined) {
    const key = String(request.headers["x-api-key"] ?? "");
    judge?.apiKeys.verify(key, request.raw.socket.remoteAddress ?? "");
    return;
  }
  if (!proved) return;
  if (clock.nowMs() >= principal.notAfterMs) throw new MeshError("MESH_CERT_EXPIRED");
  if (judge?.isRevoked(principal.nodeId) === true) throw new MeshError("MESH_CERT_REVOKED");
}
