/**
 * What somebody of another member may call on a link, whatever part serves it. Everything else is
 * refused before a part sees it: a new method is closed to them until it is named here.
 */
import { MeshError } from "@hearthmesh/core";
import type { ForeignPrincipal } from "@hearthmesh/identity";

/** Files by their grants; each method of files has a policy of its own behind this. */
const FILES = "file.";
/** Chunks by a ticket of the coordinator, and what members say to each other. */
const METHODS: readonly string[] = [
  "chunk.put",
  "chunk.get",
  "peer.call",
  "peer.quota",
  "peer.read",
  "peer.write",
];

/** Throws `MESH_FORBIDDEN`. */
export function checkForeignCall(principal: ForeignPrincipal, method: string): void {
  if (METHODS.includes(method) || method.startsWith(FILES)) return;
  const { name, trustDomain } = principal;
  throw new MeshError("MESH_FORBIDDEN", {
    message: `${name} is of ${trustDomain} and may not call ${method.slice(0, 64)} here`,
  });
}
