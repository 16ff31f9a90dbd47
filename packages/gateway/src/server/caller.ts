/**
 * Who calls, from the raw request: the same answer for an HTTP request and for the `upgrade` of a
 * WebSocket. A key that is presented is always checked, and a wrong one is an error wherever it
 * comes from: it never falls back to somebody else.
 *
 * At the HTTP door (port 3000) there are two kinds of callers without a key: programs on this
 * machine, who are the operator, and strangers. Whoever comes over a network, or through a proxy on
 * this machine, is a stranger; so is a web page that a browser here was made to load (see
 * `loopback-guard.ts`).
 */
import type { IncomingMessage } from "node:http";
import { TLSSocket } from "node:tls";
import { MeshError } from "@hearthmesh/core";
import type { PeerChains } from "../doors/peer-chains.js";
import { isLoopbackAddress } from "../plain/listen.js";
import { type IsViewer, isForwarded, isViewRequest } from "../plain/viewers.js";
import type { GatewayServices } from "../services.js";
import { IntroducedCallers } from "./caller-introduced.js";
import { guardLoopback } from "./loopback-guard.js";
import type { Caller } from "./policy.js";

const API_KEY_HEADER = "x-api-key";
/** OpenAI's clients send their key in this form, there alone. */
const BEARER = /^Bearer +(\S+)$/i;
const BEARER_PATH = /^\/v1(\/|$)/;

type CallerServices = Pick<GatewayServices, "authority" | "operator" | "clock">;

export interface CallerResolver {
  /**
   * Who calls this path (for a route its pattern). Throws `MESH_UNAUTHENTICATED`, `MESH_KEY_*`,
   * `MESH_ADDRESS_REFUSED`, `MESH_CERT_*`, `MESH_FORBIDDEN`, `MESH_LIMIT`.
   */
  resolve(request: IncomingMessage, path: string): Caller;
}

/** Under mutual TLS: a key when one is presented, else the certificate of the connection. */
export function certificateCaller(services: CallerServices, peers: PeerChains): CallerResolver {
  return {
    resolve(request, path) {
      // The certificate first: without one nobody of this member is at the other end.
      const principal = peers.principalOf(request.socket);
      const address = addressOf(request);
      services.authority.allowLists.require(principal.nodeId, address);
      const key = presentedKey(request, path, true);
      if (key !== undefined) return keyCaller(services, key, address);
      // The coordinator's own certificate is the operator's: it lies in the operator's files.
      return { principal, proved: true, operator: principal.kind === "coordinator" };
    },
  };
}

export interface HttpCallerOptions {
  readonly services: CallerServices;
  /** The door is open to other machines. */
  readonly isOpen: boolean;
  /** Who may read the views of the mesh without a key; nobody when it is absent. */
  readonly isViewer?: IsViewer | undefined;
}

/**
 * At the HTTP door: a key when one is presented, else the operator on this very machine, else an
 * introduced node by its certificate, else a viewer by the address.
 */
export function httpCaller(options: HttpCallerOptions): CallerResolver {
  const { services, isOpen, isViewer = () => false } = options;
  const introduced = new IntroducedCallers(services);
  return {
    resolve(request, path) {
      const stranger = strangerReason(request);
      const key = presentedKey(request, path, stranger === undefined);
      if (key !== undefined) {
        const caller = keyCaller(services, key, addressOf(request));
        const isHere = stranger === undefined;
        if (caller.operator && !isHere && !isEncrypted(request)) requireMeshPath(path);
        return caller;
      }
      if (stranger === undefined) {
        return { principal: services.operator, proved: false, operator: true };
      }
      if (!isOpen) throw stranger;
      const caller = introduced.callerOf(request.socket, addressOf(request));
      if (caller !== undefined) return caller;
      if (isLocal(request)) throw stranger;
      if (isViewRequest(request, path, isViewer)) {
        const scopes = ["read"] as const;
        return { principal: services.operator, proved: false, operator: false, scopes };
      }
      throw new MeshError("MESH_UNAUTHENTICATED", {
        message: "this needs an API key: the header X-API-Key",
        hint: "`mesh key create --scope read` on that node makes one.",
      });
    },
  };
}

/** Why the caller is not the operator of this machine, when it is not. */
export function strangerReason(request: IncomingMessage): MeshError | undefined {
  if (!isLoopbackAddress(addressOf(request))) {
    return new MeshError("MESH_FORBIDDEN", { message: "this is for this machine alone" });
  }
  if (isForwarded(request.headers)) {
    return new MeshError("MESH_UNAUTHENTICATED", {
      message: "a proxy passes this on: it needs an API key, in the header X-API-Key",
      hint: "`mesh key create --scope read` on that node makes one.",
    });
  }
  const { method = "", headers, url = "" } = request;
  const query = url.indexOf("?");
  const path = query < 0 ? url : url.slice(0, query);
  try {
    guardLoopback({ method, path, headers }, request.socket.localPort ?? 0);
    return undefined;
  } catch (error) {
    return error as MeshError;
  }
}

/** The address at the other end of the connection; headers are never believed. */
export function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? "";
}

function keyCaller({ authority, operator }: CallerServices, key: string, address: string): Caller {
  const { id, scopes, ai } = authority.apiKeys.verify(key, address);
  return {
    principal: operator,
    proved: false,
    operator: scopes.includes("admin"),
    keyId: id,
    scopes,
    ...(ai === undefined ? {} : { ai }),
  };
}

/**
 * OpenAI's clients cannot be without a key: from a caller who needs none (`isKnown`), one that is
 * no key of a mesh, such as `none`, counts as none.
 */
function presentedKey(
  request: IncomingMessage,
  path: string,
  isKnown: boolean,
): string | undefined {
  const value = request.headers[API_KEY_HEADER];
  if (value !== undefined) return Array.isArray(value) ? value.join(",") : value;
  if (!BEARER_PATH.test(path)) return undefined;
  const bearer = BEARER.exec(request.headers.authorization ?? "")?.[1];
  return isKnown && bearer?.startsWith("hmk1-") !== true ? undefined : bearer;
}

/** Whether a bearer on this path is a key of a mesh, and no word that stands for none. */
export function isKeyedBearer(authorization: string | undefined, path: string): boolean {
  return BEARER_PATH.test(path) && /^Bearer +hmk1-/i.test(authorization ?? "");
}

/** What an `admin` key may do where anybody on the way can read it. */
function requireMeshPath(path: string): void {
  if (path.startsWith("/api/mesh/")) return;
  throw new MeshError("MESH_FORBIDDEN", {
    message: "an admin key is not taken in plaintext from another machine, but under /api/mesh/",
    hint: "Use https:// on the same port, or a key with the scope read.",
  });
}

function isLocal(request: IncomingMessage): boolean {
  return isLoopbackAddress(addressOf(request));
}

function isEncrypted(request: IncomingMessage): boolean {
  return request.socket instanceof TLSSocket;
}
