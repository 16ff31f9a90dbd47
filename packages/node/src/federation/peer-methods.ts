/** `peer.call`, `peer.read` and `peer.write` on the links of this coordinator, for peers. */
import {
  type Authority,
  CopiesAccess,
  PEER_CALL,
  PEER_READ,
  PEER_WRITE,
  PeerCalls,
  PeerStreams,
} from "@hearthmesh/collective";
import type { MethodPart } from "../method-router.js";
import { type HomeFilesOptions, homeFiles } from "./home-files.js";

export interface PeerMethodsOptions extends HomeFilesOptions {
  readonly authority: Pick<
    Authority,
    "authorize" | "visible" | "deniedBelow" | "rightEndsAtMs" | "onAccessChanged" | "quotas"
  >;
}

export function peerMethods(options: PeerMethodsOptions): MethodPart {
  const { coordinator, authority } = options;
  const calls = new PeerCalls({ call: (...call) => coordinator.call(...call) }).handlers();
  const streams = new PeerStreams({
    files: (principal) => homeFiles(options, () => principal),
    access: new CopiesAccess(authority, (domain) => authority.quotas.get(domain)),
  }).handlers();
  return {
    prefixes: [PEER_CALL, PEER_READ, PEER_WRITE],
    handlers: { ...calls, ...streams },
  };
}
