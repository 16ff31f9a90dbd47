/**
 * What other agents may ask (`ai.*`). Only nodes of this member come here; each must also be in a
 * pool with this node, and only the leader of a ring may say what is held for it.
 */
import { MeshError, type NodeId, parseNodeId } from "@hearthmesh/core";
import type { IncomingRequest, LinkHandlers, LinkStream } from "@hearthmesh/qwormhole";
import type { GenerationEvent } from "../ring/generation.js";
import {
  decodeJoin,
  decodePrepare,
  decodeRingName,
  encodeProgress,
  encodeRings,
  type LedRing,
  METHODS,
} from "./agent-messages.js";
import { toBytes } from "./checked-json.js";
import type { InferenceRequest } from "./inference-service.js";
import { NODE_REQUESTS_MAX, PROBE_BYTES } from "./limits.js";
import type { MemberMeasures } from "./member-measures.js";
import type { AgentMembers } from "./ports.js";
import { encodeEvent, readRequest } from "./remote-generation.js";
import type { RingHost } from "./ring-host.js";

export interface AgentMethodsOptions {
  readonly members: AgentMembers;
  readonly measures: MemberMeasures;
  readonly host: RingHost;
  rings(): readonly LedRing[];
  /** The request of another node, which this one leads itself. */
  lead(request: InferenceRequest, signal: AbortSignal): AsyncIterable<GenerationEvent>;
}

export function agentMethods(options: AgentMethodsOptions): LinkHandlers {
  const underWay = new Map<NodeId, number>();
  return {
    onRequest: async (request) => {
      const from = requirePeer(options.members, request.peer.nodeId);
      return answer(options, from, request);
    },
    onStream: async (stream) => {
      const from = requirePeer(options.members, stream.peer.nodeId);
      if (stream.method === METHODS.generate) {
        return counted(underWay, from, () => generate(options, stream));
      }
      if (stream.method === METHODS.probe) return takeProbe(stream);
      throw unknown(stream.method);
    },
  };
}

async function answer(
  { measures, host, rings }: AgentMethodsOptions,
  from: NodeId,
  { method, body, signal }: IncomingRequest,
): Promise<Uint8Array> {
  switch (method) {
    case METHODS.ping:
      return toBytes({ v: 1 });
    case METHODS.measure:
      return measures.answer(body, signal);
    case METHODS.rings:
      return encodeRings(rings());
    case METHODS.prepare: {
      const endpoints = await host.prepare(from, decodePrepare(body), signal);
      return toBytes({ v: 1, endpoints });
    }
    case METHODS.progress:
      return encodeProgress(host.progress(from, decodeRingName(body)));
    case METHODS.join:
      await host.join(from, decodeJoin(body), signal);
      return toBytes({ v: 1 });
    case METHODS.release:
      await host.release(from, decodeRingName(body));
      return toBytes({ v: 1 });
    default:
      throw unknown(method);
  }
}

/** One node's requests, so that it cannot take the places of all others. `MESH_LIMIT`. */
async function counted(
  underWay: Map<NodeId, number>,
  from: NodeId,
  work: () => Promise<void>,
): Promise<void> {
  const before = underWay.get(from) ?? 0;
  if (before >= NODE_REQUESTS_MAX) {
    throw new MeshError("MESH_LIMIT", {
      message: `${NODE_REQUESTS_MAX} requests of this node are under way here already`,
      details: { retryAfterMs: 1_000 },
    });
  }
  underWay.set(from, before + 1);
  try {
    await work();
  } finally {
    const left = (underWay.get(from) ?? 1) - 1;
    if (left > 0) underWay.set(from, left);
    else underWay.delete(from);
  }
}

async function generate({ lead }: AgentMethodsOptions, stream: LinkStream): Promise<void> {
  const request = await readRequest(stream);
  for await (const event of lead(request, stream.signal)) await stream.write(encodeEvent(event));
  stream.end();
}

/** Takes what comes, up to the size of a probe, and says how much it was. */
async function takeProbe(stream: LinkStream): Promise<void> {
  let bytes = 0;
  for await (const piece of stream.readable) {
    bytes += piece.length;
    if (bytes > 2 * PROBE_BYTES) throw new MeshError("MESH_LIMIT");
  }
  await stream.write(toBytes({ v: 1, bytes }));
  stream.end();
}

function requirePeer(members: AgentMembers, caller: string): NodeId {
  const nodeId = parseNodeId(caller);
  if (members.isPeer(nodeId)) return nodeId;
  throw new MeshError("MESH_FORBIDDEN", {
    message: "the caller is in no pool with this node",
    hint: "`mesh pool list` shows who is in which pool.",
  });
}

function unknown(method: string): MeshError {
  return new MeshError("MESH_FORBIDDEN", {
    message: `this node does not serve ${JSON.stringify(method.slice(0, 64))}`,
  });
}
