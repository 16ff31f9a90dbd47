/** Nodes of other meshes: introduced, listed, forgotten; and this node's own proof for others. */
import {
  type IntroductionRecord,
  type IntroductionScope,
  type NodeIdentityClaim,
  parseCapabilities,
  parseGivenName,
  parseNodeUrl,
  signNodeIdentity,
} from "@hearthmesh/collective";
import { MeshError, type NodeId } from "@hearthmesh/core";
import { KEY_ENDPOINTS, type NodeRegisterResponse } from "../contracts/keys.js";
import type { IntroductionServices } from "../introduction-services.js";
import type { Caller } from "../server/policy.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";
import { actorOf } from "./key-routes.js";
import { findKnownNode, introducedNode, knownNodes } from "./known-nodes.js";

export function introductionRoutes(services: GatewayServices): Route[] {
  return [identityRoute(services), registerRoute(services), ...nodeRoutes(services)];
}

/** Public: a node of another mesh asks before anybody trusts anybody. */
function identityRoute(services: GatewayServices): Route {
  return defineRoute(KEY_ENDPOINTS.nodeIdentity, "public", async ({ query, request }) => {
    const { limiter, self, sign } = requireMesh(services);
    limiter.admit(request.raw.socket.remoteAddress ?? "", services.clock.monotonicMs());
    const { roles, capabilities, linkAddresses, ...rest } = signNodeIdentity(
      self(),
      query.nonce,
      sign,
    );
    return {
      ...rest,
      roles: [...roles],
      capabilities: [...capabilities],
      linkAddresses: [...linkAddresses],
    };
  });
}

function registerRoute(services: GatewayServices): Route {
  const { authority, operator } = services;
  return defineRoute(KEY_ENDPOINTS.registerNode, "mesh-register", async (call) => {
    const { body, caller, signal, reply } = call;
    const { prober, watch } = requireMesh(services);
    const url = parseNodeUrl(body.nodeUrl);
    const name = parseGivenName(body.nodeName);
    const capabilities = parseCapabilities(body.capabilities);
    const proven = await prober.probe(url, { signal });
    if (proven.nodeId === operator.nodeId) {
      throw new MeshError("MESH_BAD_REQUEST", {
        message: "nodeUrl: this node itself answers there",
        hint: "Name the URL of the other node.",
      });
    }
    if (isMember(services, proven)) {
      reply.code(200);
      return memberAnswer(services, proven);
    }
    const scopes = scopesFor(caller);
    const request = { url, name, capabilities, scopes, proven };
    const { record, isNew } = await authority.introductions.add(actorOf(caller), request);
    watch.noteProven(proven);
    reply.code(isNew ? 201 : 200);
    const node = introducedNode(services, record);
    return { node, fingerprint: record.fingerprint, trust: trustText(record) };
  });
}

function nodeRoutes(services: GatewayServices): Route[] {
  const { authority } = services;
  return [
    defineRoute(KEY_ENDPOINTS.knownNodes, "mesh-read", async () => {
      return { nodes: knownNodes(services) };
    }),
    defineRoute(KEY_ENDPOINTS.removeIntroduction, "operator", async ({ params, caller }) => {
      const found = findKnownNode(knownNodes(services), params.node);
      if (found.trust !== "introduced") {
        throw new MeshError("MESH_BAD_REQUEST", {
          message: `${found.name} was not introduced: it is a node of this member`,
          hint: `Remove it with \`mesh node remove ${found.name}\`.`,
        });
      }
      const { nodeId, name } = await authority.introductions.remove(
        actorOf(caller),
        found.nodeId as NodeId,
      );
      return { nodeId, name };
    }),
    defineRoute(KEY_ENDPOINTS.allowNode, "operator", async ({ params, body, caller }) => {
      const { nodeId, name, trust } = findKnownNode(knownNodes(services), params.node);
      if (trust === "self") {
        throw new MeshError("MESH_BAD_REQUEST", {
          message: `${name} is this node itself: an allow-list is for calls of other nodes`,
        });
      }
      const { allowLists } = authority;
      const networks = await allowLists.set(actorOf(caller), nodeId as NodeId, body.networks);
      return { nodeId, name, networks: [...networks] };
    }),
  ];
}

function requireMesh({ introductions }: GatewayServices): IntroductionServices {
  if (introductions !== undefined) return introductions;
  throw new MeshError("MESH_NOT_FOUND", {
    message: "this node takes no part in a mesh",
    hint: "Set MESH_ENABLED=true and start it again.",
  });
}

/** Already in this mesh: its certificate says more than an introduction could. */
function isMember({ authority, member }: GatewayServices, proven: NodeIdentityClaim): boolean {
  const isOurs = authority.identity(proven.nodeId) !== undefined;
  const sameCa = proven.caCertificatePem.trim() === authority.caCertificatePem.trim();
  if (proven.trustDomain === member.trustDomain && sameCa && isOurs) {
    if (!authority.isRevoked(proven.nodeId)) return true;
    throw new MeshError("MESH_INTRODUCTION_FAILED", {
      message: "the certificate of this node was revoked here",
    });
  }
  return false;
}

function memberAnswer(
  services: GatewayServices,
  { nodeId, fingerprint }: NodeIdentityClaim,
): NodeRegisterResponse {
  const node = findKnownNode(knownNodes(services), nodeId);
  const trust = "member: it is a node of this mesh already, by its certificate";
  return { node, fingerprint, trust };
}

/** An introduced node may use here what whoever introduced it may use itself, and no more. */
function scopesFor({ operator, scopes = [] }: Caller): IntroductionScope[] {
  return operator || scopes.includes("services") ? ["services"] : [];
}

function trustText({ scopes, keyId }: IntroductionRecord): string {
  const who = keyId === undefined ? "the operator" : `the key ${keyId}`;
  return scopes.includes("services")
    ? `introduced: it may use the services of this mesh, because ${who} may`
    : `introduced: it may use nothing here, because ${who} may not use services`;
}
