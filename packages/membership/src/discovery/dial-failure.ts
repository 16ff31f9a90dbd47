/** Why an address could not be linked to, as a person reads it. */
import { ERROR_REGISTRY, type ErrorCode, isMeshError, type MeshError } from "@hearthmesh/core";
import type { AddressFailure } from "./candidate.js";
import { FAILURE_TEXT_MAX } from "./limits.js";

interface Explanation {
  readonly reason: string;
  readonly hint: string;
}

const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: {
    reason: "nothing listens there",
    hint: "Check that the node runs, and the port of its links.",
  },
  ETIMEDOUT: {
    reason: "no answer in time",
    hint: "Check that the machine is on, and that its firewall lets the TCP port of links in.",
  },
  EHOSTUNREACH: {
    reason: "the machine cannot be reached",
    hint: "Check that it is on and in a network that this one has a route to.",
  },
  ENETUNREACH: {
    reason: "this machine has no route to that network",
    hint: "Check the network of this machine, or use a hub.",
  },
  ENOTFOUND: { reason: "the name has no address", hint: "Check the name and the DNS." },
  EAI_AGAIN: { reason: "the name cannot be looked up now", hint: "Check the DNS." },
  QW_TLS_FAILED: {
    reason: "TLS failed, so it is no node of this mesh or its certificate is not valid now",
    hint: "Check the address, the clocks of both machines, and `mesh status` over there.",
  },
  QW_UNEXPECTED_PEER: {
    reason: "another node answers there",
    hint: "The address has passed to another machine; nothing needs to be done.",
  },
  QW_PEER_REFUSED: {
    reason: "the one who answers is not of this mesh, or was removed from it",
    hint: "Check the address; invite the machine again if it should belong to the mesh.",
  },
  QW_REFUSED_BY_PEER: {
    reason: "the other side refused this node",
    hint: "Check that this node's certificate is valid, and the log over there.",
  },
  QW_NOT_A_LINK: {
    reason: "something else than a node answers there",
    hint: "Check the port: links are at 9000 unless it was changed.",
  },
  QW_SELF_CONNECT: {
    reason: "the address leads back to this node",
    hint: "Remove it from the list of peers.",
  },
  MESH_LIMIT: { reason: "the node takes no more links now", hint: "It is tried again." },
  MESH_CANCELLED: { reason: "the attempt was given up", hint: "Nothing needs to be done." },
};

const SAME: Readonly<Record<string, string>> = {
  QW_DIAL_REFUSED: "ECONNREFUSED",
  QW_DIAL_TIMEOUT: "ETIMEDOUT",
  QW_HANDSHAKE_TIMEOUT: "ETIMEDOUT",
  MESH_TIMEOUT: "ETIMEDOUT",
  EHOSTDOWN: "EHOSTUNREACH",
  QW_KEY_MISMATCH: "QW_UNEXPECTED_PEER",
  QW_CONNECTIONS_LIMIT: "MESH_LIMIT",
  QW_CANCELLED: "MESH_CANCELLED",
  ABORT_ERR: "MESH_CANCELLED",
};
/** Errors wrap each other; the innermost known code says the most about a network. */
const CAUSES_MAX = 5;

export function describeFailure(address: string, error: unknown): AddressFailure {
  const own = ownRefusal(error);
  if (own !== undefined) {
    return { address, reason: plainText(own.message), hint: plainText(own.hint) };
  }
  const codes = codesOf(error);
  const known = codes.map((code) => EXPLANATIONS[SAME[code] ?? code]).find(Boolean);
  const because = refusedBecause(error);
  if (known !== undefined) {
    const reason = because === undefined ? known.reason : `${known.reason}: ${because}`;
    return { address, ...known, reason };
  }
  const { message, hint } = (error ?? {}) as { message?: unknown; hint?: unknown };
  return {
    address,
    reason: plainText(typeof message === "string" ? message : String(error)),
    hint: typeof hint === "string" ? plainText(hint) : "It is tried again.",
  };
}

/** Why something failed, in one short line. */
export function plainReason(error: unknown): string {
  return describeFailure("", error).reason;
}

/** The dial came back to this very node. */
export function isSelfConnect(error: unknown): boolean {
  return codesOf(error).includes("QW_SELF_CONNECT");
}

/** What was wrong with a certificate or an address, as whoever looked at it has put it. */
function ownRefusal(error: unknown): MeshError | undefined {
  let inner = error;
  for (let depth = 0; depth < CAUSES_MAX && inner !== null && typeof inner === "object"; depth++) {
    const code: unknown = isMeshError(inner) ? inner.code : undefined;
    if (typeof code === "string" && /^MESH_(CERT_|ADDRESS_REFUSED)/.test(code)) {
      return inner as MeshError;
    }
    inner = (inner as { cause?: unknown }).cause;
  }
  return undefined;
}

/** What the other side's refusal means, by the code that it gave. */
function refusedBecause(error: unknown): string | undefined {
  let inner = error;
  for (let depth = 0; depth < CAUSES_MAX && inner !== null && typeof inner === "object"; depth++) {
    const { remoteCode, cause } = inner as { remoteCode?: unknown; cause?: unknown };
    if (typeof remoteCode === "string" && Object.hasOwn(ERROR_REGISTRY, remoteCode)) {
      return ERROR_REGISTRY[remoteCode as ErrorCode].message;
    }
    inner = cause;
  }
  return undefined;
}

/** The innermost first. */
function codesOf(error: unknown): string[] {
  const codes: string[] = [];
  let inner = error;
  for (let depth = 0; depth < CAUSES_MAX && inner !== null && typeof inner === "object"; depth++) {
    const { code, name, cause } = inner as { code?: unknown; name?: unknown; cause?: unknown };
    if (typeof code === "string") codes.unshift(code);
    else if (name === "AbortError") codes.unshift("ABORT_ERR");
    inner = cause;
  }
  return codes;
}

/** Text of others goes to terminals: no control characters, no line breaks, no end. */
function plainText(text: string): string {
  const clean = text
    .replace(/\p{C}+/gu, " ")
    .trim()
    .replace(/\.$/, "");
  return clean.length > FAILURE_TEXT_MAX ? `${clean.slice(0, FAILURE_TEXT_MAX)}…` : clean;
}
