/**
 * The ways to a peer, for a client and for a coordinator that acts for somebody:
 *
 * - `linkWays`: over links to the peer's coordinator, and the bytes to its storage nodes or, where
 *   those cannot be reached, to the coordinator too.
 * - `apiWay`: the HTTP API of the peer, with the caller's own certificate.
 * - `homeWay`: the HTTP API of the own coordinator, which goes to the peer for the caller.
 */
import type { LinkPool, PeerWay, WayFiles } from "@hearthmesh/collective";
import { claimFor, linkWay, onBehalfOf, pathAt, relayWay } from "@hearthmesh/collective/federation";
import type { Clock, Logger, NodeId, Random } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import { readJson } from "./answers.js";
import type { ApiClient } from "./api-client.js";
import type { CoordinatorFinder } from "./coordinator-finder.js";
import { coordinatorPort, linkToCoordinator } from "./coordinator-port.js";
import { HttpFiles } from "./http-files.js";
import type { PeerContact } from "./peer-contact.js";

type Entry = Awaited<ReturnType<WayFiles["stat"]>>;

/** Nobody waits longer for a peer that may be switched off. */
const CONNECT_TIMEOUT_MS = 3_000;
const ANSWER_TIMEOUT_MS = 5_000;

export interface LinkWaysOptions {
  readonly peer: PeerContact;
  readonly finder: CoordinatorFinder;
  /** Accepts machines of the peer alone. */
  readonly pool: Pick<LinkPool, "linkTo">;
  /** Key hash of the key of these links. */
  readonly self: NodeId;
  /** For whom a coordinator calls; absent: the certificate of the links is the caller's own. */
  readonly onBehalfOf?: Principal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Straight, and by the peer's coordinator. */
export function linkWays(options: LinkWaysOptions): PeerWay[] {
  const { peer, finder, pool, self, clock, random, log } = options;
  const parts = { pool, finder, memberId: peer.memberId, clock };
  const port = coordinatorPort(parts);
  const link = (signal: AbortSignal | undefined) => linkToCoordinator(parts, signal);
  const { onBehalfOf: whom } = options;
  const straight = linkWay({
    name: "straight",
    coordinator: whom === undefined ? port : onBehalfOf(whom, port),
    reach: link,
    links: pool,
    self,
    clock,
    random,
    log,
  });
  const claim = whom === undefined ? {} : { claim: claimFor(whom) };
  return [straight, relayWay({ name: "by its coordinator", straight, link, ...claim, clock })];
}

/** `api`: of the peer's coordinators. */
export function apiWay(api: ApiClient): PeerWay {
  const files = new HttpFiles(api);
  return {
    name: "its API",
    async open(signal) {
      const timeouts = { connectTimeoutMs: CONNECT_TIMEOUT_MS, idleTimeoutMs: ANSWER_TIMEOUT_MS };
      const request = { method: "GET", path: "/health/live", signal, ...timeouts };
      await readJson(await api.send(request));
      return files;
    },
  };
}

/** `api`: of the own coordinators, or of a node on this machine. */
export function homeWay(api: ApiClient, { trustDomain }: PeerContact): PeerWay {
  const files = throughHome(new HttpFiles(api), trustDomain);
  return { name: "through the own coordinator", open: async () => files };
}

/** Files of a peer in its own paths, by somebody who has them under `/@` and the peer's name. */
function throughHome(files: HttpFiles, name: string): WayFiles {
  const there = (path: string) => pathAt(name, path);
  const root = there("/");
  const here = (entry: Entry): Entry => {
    if (entry.path === root) return { ...entry, path: "/", name: "" };
    const isBelow = entry.path.startsWith(`${root}/`);
    return isBelow ? { ...entry, path: entry.path.slice(root.length) } : entry;
  };
  return {
    stat: async (path, signal) => here(await files.stat(there(path), signal)),
    async listPage(path, options) {
      const { entries, more } = await files.listPage(there(path), options);
      return { entries: entries.map(here), more };
    },
    async read(path, options) {
      const { entry, stream } = await files.read(there(path), options);
      return { entry: here(entry), stream };
    },
    write: async (path, source, options) => here(await files.write(there(path), source, options)),
    makeDirectory: (path, options) => files.makeDirectory(there(path), options),
    move: (from, to, options) => files.move(there(from), there(to), options),
    remove: (path, options) => files.remove(there(path), options),
  };
}
