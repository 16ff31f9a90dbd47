/**
 * `peer.call`: a coordinator of another member calls a file method here on behalf of one of its own
 * people, or of its operator. This is the way for a program that cannot reach this member itself.
 *
 * Header `{principal, method, header}`, body that of the method; answered with header and body of
 * the method.
 *
 * Who may ask: a coordinator of a peer, over its own link. For whom: a person of that coordinator's
 * own trust domain, never of another one's; for the operator it speaks as the coordinator that it
 * is, whatever it claims. What: `file.*` and nothing else. What the person may do with a path is
 * decided as always, by the grants at the path; a key that was revoked is refused there. Tickets
 * are for the key of the link: nobody else can use them.
 *
 * Errors: `MESH_FORBIDDEN`, `MESH_BAD_REQUEST`, `MESH_LIMIT` above `PEER_CALLS_IN_FLIGHT_MAX`, and
 * those of the method.
 */
import {
  asWireError,
  decodeMessage,
  encodeMessage,
  limits,
  MeshError,
  resetWith,
} from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { IncomingRequest, LinkHandlers } from "@hearthmesh/qwormhole";
import type { CoordinatorPort } from "../client/ports.js";
import type { CallOptions } from "../coordinator/coordinator.js";
import { Fields } from "../coordinator/fields.js";
import { claimFor, principalOfClaim } from "./peer-claim.js";
import { UnderWay } from "./under-way.js";

export const PEER_CALL = "peer.call";

/** What may be called. Everything else does not exist here. */
const METHODS: ReadonlySet<string> = new Set([
  "file.stat",
  "file.list",
  "file.mkdir",
  "file.move",
  "file.remove",
  "file.put",
  "file.begin",
  "file.ticket",
  "file.segment",
  "file.commit",
  "file.abort",
  "file.open",
]);

const METHOD_LENGTH_MAX = 32;

export interface PeerCallsOptions {
  /** The coordinator's methods in this process. */
  call(
    principal: Principal,
    method: string,
    header: object,
    body: Uint8Array,
    options: CallOptions,
  ): Promise<{ header: object; body: Uint8Array }>;
}

export class PeerCalls {
  readonly #call: PeerCallsOptions["call"];
  /** By member: it may have as many coordinators as it likes. */
  readonly #inFlight = new UnderWay("calls of this member");

  constructor(options: PeerCallsOptions) {
    this.#call = options.call;
  }

  handlers(): LinkHandlers {
    return {
      onRequest: (request) => this.#answer(request),
      onStream: (stream) =>
        resetWith(stream, new MeshError("MESH_FORBIDDEN", { message: "no such stream here" })),
    };
  }

  async #answer(request: IncomingRequest): Promise<readonly Uint8Array[]> {
    try {
      const caller = requirePeerCoordinator(request);
      const { header, body } = decodeMessage<object>(request.body);
      const asked = readPeerCall(header, caller);
      const leave = this.#inFlight.enter(caller.trustDomain, limits.PEER_CALLS_IN_FLIGHT_MAX);
      try {
        const { principal, method, header: inner } = asked;
        const answer = await this.#call(principal, method, inner, body, { holder: caller.nodeId });
        return encodeMessage(answer.header, answer.body);
      } finally {
        leave();
      }
    } catch (error) {
      throw asWireError(error);
    }
  }
}

/** The verified principal of the link. */
function requirePeerCoordinator({ method, peer }: IncomingRequest): Principal {
  const principal = peer.identity as Principal | null | undefined;
  const isCoordinator =
    principal?.kind === "foreign" &&
    principal.foreignKind === "coordinator" &&
    principal.nodeId === peer.nodeId;
  if (method === PEER_CALL && isCoordinator) return principal;
  throw new MeshError("MESH_FORBIDDEN", {
    message: "only the coordinators of a peer may do this, over their own link",
  });
}

/** What is asked, and for whom: what the claim says is compared with the caller, never believed. */
function readPeerCall(
  header: object,
  caller: Principal,
): { principal: Principal; method: string; header: object } {
  const fields = new Fields(PEER_CALL, header);
  const method = fields.text("method", METHOD_LENGTH_MAX);
  const inner = fields.raw("header");
  if (inner === null || typeof inner !== "object") throw fields.bad("header");
  if (!METHODS.has(method)) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: `${JSON.stringify(method)} is not done on behalf of somebody`,
    });
  }
  const claim = fields.object("principal");
  if (claim === undefined) throw fields.bad("principal");
  return { principal: principalOfClaim(claim, caller), method, header: inner };
}

/**
 * The file methods of a peer, on behalf of a principal, over a port that reaches its coordinator.
 */
export function onBehalfOf(principal: Principal, port: CoordinatorPort): CoordinatorPort {
  const claim = claimFor(principal);
  return {
    call: (method, header, body, options) =>
      port.call(PEER_CALL, { principal: claim, method, header }, body, options),
  };
}
