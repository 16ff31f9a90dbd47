/** Rings of models, and measurements of machines, links and rings. */
import { MeshError } from "@hearthmesh/core";
import type { NodeRings, RingBenchRow, RingInspection } from "@hearthmesh/pool";
import { RING_ENDPOINTS, type RingBenchResponse, type RingsResponse } from "../contracts/rings.js";
import { defineRoute, type Route } from "../server/route.js";
import type { NodeServices } from "../services.js";

const BENCH_TOKENS_DEFAULT = 64;

export function ringRoutes(services: NodeServices): Route[] {
  return [
    defineRoute(RING_ENDPOINTS.rings, "mesh-read", async () => {
      return ringsView(await ringsOf(services).rings());
    }),
    defineRoute(RING_ENDPOINTS.benchEngine, "operator", async ({ body, signal }) => {
      return ringsOf(services).benchEngine(body.threads, signal);
    }),
    defineRoute(RING_ENDPOINTS.benchLink, "operator", async ({ body, signal }) => {
      return ringsOf(services).benchLink(body.node, signal);
    }),
    defineRoute(RING_ENDPOINTS.benchRing, "operator", async ({ body, signal }) => {
      const { model, tokens = BENCH_TOKENS_DEFAULT } = body;
      const rows = await ringsOf(services).benchRing(model, tokens, signal);
      return { rows: rows.map(benchRow) };
    }),
  ];
}

function ringsOf({ rings }: NodeServices): RingInspection {
  if (rings === undefined) throw new MeshError("MESH_AI_OFF");
  return rings;
}

function ringsView({ unavailable, led, held }: NodeRings): RingsResponse {
  return {
    unavailable: unavailable ?? null,
    led: led.map(({ model, modelId, ringId, epoch, state, placement, running, members }) => ({
      ...{ model, modelId, ringId, epoch, state, placement, running },
      members: members.map(({ nodeId, name, columns, memoryBytes }) => ({
        ...{ nodeId, name, memoryBytes },
        columns: { from: columns.from, to: columns.to },
      })),
    })),
    held: held.map(({ leaderName, pulledBytes, wantedBytes, ...shard }) => ({
      ...shard,
      leader: leaderName,
      pulledBytes: pulledBytes ?? null,
      wantedBytes: wantedBytes ?? null,
    })),
  };
}

function benchRow({ timings, names, ...row }: RingBenchRow): RingBenchResponse["rows"][number] {
  return {
    placement: row.placement,
    names: [...names],
    failure: row.failure ?? null,
    predictedTokensPerSecond: row.predictedTokensPerSecond ?? null,
    tokensPerSecond: row.tokensPerSecond ?? null,
    completionTokens: row.completionTokens,
    computeMs: timings?.computeMs ?? null,
    exchangeMs: timings?.exchangeMs ?? null,
    exchangeMsP50: row.exchangeMsP50 ?? null,
    exchangeMsP99: row.exchangeMsP99 ?? null,
  };
}
