/**
 * One port for links, several parts behind it. Each part serves the methods with its prefixes; a
 * method that no part serves is refused. Whether the caller may use a method is decided by the
 * part, from the verified principal; that the principal is still valid is decided here, for all.
 */
import { asWireError, MeshError } from "@hearthmesh/core";
import { isForeign, type Principal } from "@hearthmesh/identity";
import type { IncomingRequest, LinkHandlers, LinkStream, Peer } from "@hearthmesh/qwormhole";
import { checkForeignCall } from "./foreign-methods.js";
import { isGuest } from "./mesh/guests.js";

export interface MethodPart {
  /** Such as `chunk.`. */
  readonly prefixes: readonly string[];
  readonly handlers: LinkHandlers;
  /**
   * `machines`: nodes of this member alone. `machines-and-guests`: introduced nodes of other meshes
   * too, when their introduction allows services. Otherwise everybody whom this member let in, and
   * the part itself decides from the principal. People and machines of peers reach only what
   * `foreign-methods.ts` names, and no part for machines.
   */
  readonly callers?: "machines" | "machines-and-guests";
}

export class MethodRouter {
  readonly #parts: MethodPart[] = [];
  readonly #check: (principal: Principal) => void;

  /** `check` throws when a principal was revoked or its certificate ended since the handshake. */
  constructor(check: (principal: Principal) => void) {
    this.#check = check;
  }

  add(part: MethodPart): void {
    this.#parts.push(part);
  }

  readonly handlers: LinkHandlers = {
    onRequest: async (request: IncomingRequest) => {
      try {
        const serve = this.#partFor(request.method, request.peer).handlers.onRequest;
        if (serve === undefined) throw unknownMethod(request.method);
        return await serve(request);
      } catch (error) {
        throw asWireError(error);
      }
    },
    onStream: async (stream: LinkStream) => {
      try {
        const serve = this.#partFor(stream.method, stream.peer).handlers.onStream;
        if (serve === undefined) throw unknownMethod(stream.method);
        await serve(stream);
      } catch (error) {
        throw asWireError(error);
      }
    },
  };

  #partFor(method: string, peer: Peer): MethodPart {
    const principal = principalOf(peer);
    this.#check(principal);
    const part = this.#parts.find(({ prefixes }) =>
      prefixes.some((prefix) => method.startsWith(prefix)),
    );
    if (part === undefined) throw unknownMethod(method);
    checkCaller(part, principal, method);
    return part;
  }
}

/** Throws `MESH_FORBIDDEN`. */
function checkCaller({ callers }: MethodPart, principal: Principal, method: string): void {
  if (callers === "machines-and-guests" && mayUseServices(principal)) return;
  if (isForeign(principal)) checkForeignCall(principal, method);
  else if (isGuest(principal)) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: `${principal.name} is of another mesh and may not call ${method} here`,
      hint: "It may use services when the key that introduced it has the scope `services`.",
    });
  }
  if (callers !== undefined && !isMachine(principal)) {
    throw new MeshError("MESH_FORBIDDEN", {
      message: `${principal.name} is no node of this member, and ${method} is for those alone`,
    });
  }
}

function mayUseServices(principal: Principal): boolean {
  return isGuest(principal) && principal.guest.scopes.includes("services");
}

/** A node or coordinator of this member. */
export function isMachine(principal: Principal): boolean {
  return !isGuest(principal) && (principal.kind === "node" || principal.kind === "coordinator");
}

export function principalOf(peer: Peer): Principal {
  return peer.identity as Principal;
}

function unknownMethod(method: string): MeshError {
  return new MeshError("MESH_FORBIDDEN", {
    message: `this node does not serve ${JSON.stringify(method.slice(0, 64))}`,
    hint: "Check that both sides run versions that fit.",
  });
}
