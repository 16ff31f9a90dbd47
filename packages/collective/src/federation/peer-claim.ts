/**
 * For whom a coordinator of a peer acts. It says so itself; what it says is compared with who it
 * is, and never believed beyond that: it acts for people of its own trust domain alone, and when it
 * acts for its operator it is the coordinator that it is.
 */
import { MeshError, type NodeId, parseNodeId } from "@hearthmesh/core";
import { type Principal, parseSpiffeId } from "@hearthmesh/identity";
import type { Fields } from "../coordinator/fields.js";

/** For whom a coordinator calls; what it knows about its own people is theirs to say. */
export interface PeerCallClaim {
  readonly kind: "person" | "operator";
  /** For a person: as its certificate says it. */
  readonly spiffeId?: string;
  readonly nodeId?: NodeId;
  readonly serial?: string;
  readonly notAfterMs?: number;
}

const SERIAL_LENGTH_MAX = 128;
const SPIFFE_ID_LENGTH_MAX = 1024;

/**
 * Who it is that a coordinator of a peer acts for. `MESH_FORBIDDEN` for somebody of another domain
 * than its own, `MESH_BAD_REQUEST` for a claim of another form.
 */
export function principalOfClaim(claim: Fields, caller: Principal): Principal {
  const kind = claim.text("kind", 16);
  if (kind === "operator") return caller;
  if (kind !== "person") throw claim.bad("kind");
  const spiffeId = claim.text("spiffeId", SPIFFE_ID_LENGTH_MAX);
  const id = parseSpiffeId(spiffeId);
  if (id.kind !== "person" || id.trustDomain !== caller.trustDomain) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: `a coordinator of ${caller.trustDomain} calls for its own people alone`,
    });
  }
  const notAfterMs = claim.integer("notAfterMs");
  return {
    kind: "foreign",
    foreignKind: "person",
    spiffeId,
    trustDomain: caller.trustDomain,
    name: id.name,
    nodeId: parseNodeId(claim.text("nodeId", SERIAL_LENGTH_MAX)),
    serial: claim.text("serial", SERIAL_LENGTH_MAX),
    // A claim is no better than the certificate of who makes it.
    notAfterMs: Math.min(notAfterMs, caller.notAfterMs),
  };
}

/**
 * The claim for a principal of the caller's own member. `MESH_FORBIDDEN` for anybody who cannot
 * have one: nodes have no business with files, and people of other members go to their own home.
 */
export function claimFor(principal: Principal): PeerCallClaim {
  const { kind, spiffeId, nodeId, serial, notAfterMs } = principal;
  if (kind === "coordinator") return { kind: "operator" };
  if (kind === "person") return { kind, spiffeId, nodeId, serial, notAfterMs };
  throw new MeshError("MESH_FORBIDDEN", {
    message: `${principal.name} cannot go on from here to another member`,
    hint:
      kind === "foreign"
        ? "Ask that member itself, or your own coordinator."
        : "Only people and the operator use the files of other members.",
  });
}
