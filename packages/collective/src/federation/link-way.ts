/**
 * The straight way to a peer: calls over a link to its coordinator, and the bytes over links to its
 * storage nodes. The same for a person, who calls for itself, and for a coordinator, which calls
 * for somebody (see `peer-calls.ts`).
 *
 * Every write is followed: as long as nothing was sent that makes it visible (`file.put`,
 * `file.commit`), its errors are marked as `asUnsent`, so that another way may be tried. Before the
 * first byte goes out it makes sure that enough storage nodes can be reached from here: where they
 * cannot, because they stand behind a router that lets nobody in, the next way is tried at once.
 */
import {
  asUnsent,
  type Clock,
  type ErrorCode,
  isMeshError,
  isUnsent,
  type Logger,
  limits,
  MeshError,
  type NodeId,
  type Random,
} from "@hearthmesh/core";
import { FileClient } from "../client/file-client.js";
import type { CoordinatorPort, NodeLinks } from "../client/ports.js";
import { reasonOf } from "../client/waiting.js";
import type { FileBeginResponse } from "../protocol.js";
import type { NodeInfo } from "../types.js";
import { errorOf } from "./peer-errors.js";
import type { PeerWay, WayFiles } from "./peer-files.js";

export interface LinkWayOptions {
  readonly name: string;
  readonly coordinator: CoordinatorPort;
  /** Resolves when a coordinator of the peer answers on a link. */
  reach(signal: AbortSignal | undefined): Promise<unknown>;
  /** Links to storage nodes of the peer, verified against its own CA alone. */
  readonly links: NodeLinks;
  /** Key hash of whoever presents the tickets. */
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** There is another way: waiting for this one to come back is not worth more. */
const REPEAT_WITHIN_MS = 2_000;
/** These make a write visible. */
const FINAL_METHODS = ["file.put", "file.commit"];
/** Of calls that may have been carried out without an answer. */
const UNKNOWN_CODES: readonly ErrorCode[] = [
  "MESH_UNREACHABLE",
  "MESH_TIMEOUT",
  "MESH_CANCELLED",
  "MESH_PROTOCOL",
  "MESH_INTERNAL",
];

export function linkWay(options: LinkWayOptions): PeerWay {
  const links = boundedLinks(options.links);
  const { name, coordinator } = options;
  const clientOf = (port: CoordinatorPort) =>
    new FileClient({ ...options, links, coordinator: port, repeatWithinMs: REPEAT_WITHIN_MS });
  const files = clientOf(coordinator);
  const wayFiles: WayFiles = {
    stat: (path, signal) => files.stat(path, signal),
    listPage: (path, page) => files.listPage(path, page),
    read: (path, range) => files.read(path, range),
    makeDirectory: (path, more) => files.makeDirectory(path, more),
    move: (from, to, more) => files.move(from, to, more),
    remove: (path, more) => files.remove(path, more),
    async write(path, source, more) {
      const followed = new FollowedWrite(coordinator, links);
      try {
        return await clientOf(followed).write(path, source, more);
      } catch (thrown) {
        const error = errorOf(thrown);
        throw followed.mayBeVisible ? withoutMark(error) : asUnsent(error);
      }
    },
  };
  return {
    name,
    async open(signal) {
      await options.reach(signal);
      return wayFiles;
    },
  };
}

/** The calls of one write. */
class FollowedWrite implements CoordinatorPort {
  readonly #port: CoordinatorPort;
  readonly #links: NodeLinks;
  /** Final calls of which nobody knows yet that nothing came of them. */
  #final = 0;

  constructor(port: CoordinatorPort, links: NodeLinks) {
    this.#port = port;
    this.#links = links;
  }

  get mayBeVisible(): boolean {
    return this.#final > 0;
  }

  async call(...[method, header, body, options]: Parameters<CoordinatorPort["call"]>) {
    const isFinal = FINAL_METHODS.includes(method);
    if (isFinal) this.#final++;
    try {
      const answer = await this.#port.call(method, header, body, options);
      if (method === "file.begin") await this.#requireNodes(answer.header, options?.signal);
      return answer;
    } catch (error) {
      if (isFinal && isRefused(error)) this.#final--;
      throw error;
    }
  }

  async #requireNodes(header: object, signal: AbortSignal | undefined): Promise<void> {
    const { nodes, acksNeeded, fileId } = header as FileBeginResponse;
    const online = nodes.filter(({ state }) => state !== "offline");
    const dials = online.map((node) => this.#links.linkTo(node, signal));
    const outcomes = await Promise.allSettled(dials);
    const failed = outcomes.filter((one) => one.status === "rejected");
    const wanted = Math.min(acksNeeded, online.length);
    if (online.length === 0 || online.length - failed.length >= wanted) return;
    this.#port.call("file.abort", { fileId }).catch(() => undefined);
    const reasons = failed.map(({ reason }) => reasonOf(reason)).join("; ");
    throw new MeshError("MESH_NO_STORAGE", {
      message: `${failed.length} of ${online.length} storage nodes cannot be reached (${reasons})`,
    });
  }
}

/** It was not sent, or the coordinator said that it did not do it. */
function isRefused(error: unknown): boolean {
  if (isUnsent(error)) return true;
  return isMeshError(error) && !UNKNOWN_CODES.includes(error.code);
}

/** The last attempt may not have been sent, and one before it may. */
function withoutMark(error: MeshError): MeshError {
  const { code, message, hint, details } = error;
  return new MeshError(code, { message, hint, cause: error, ...(details && { details }) });
}

/**
 * A peer names its nodes itself: as many addresses as a node may have, and no more, are dialled.
 */
function boundedLinks(links: NodeLinks): NodeLinks {
  return {
    linkTo(node, signal) {
      const known = Array.isArray(node?.addresses) ? node.addresses : [];
      const addresses = known
        .slice(0, limits.NODE_ADDRESSES_MAX)
        .filter((one) => typeof one === "string" && one.length <= limits.NODE_ADDRESS_BYTES_MAX);
      const bounded: NodeInfo = { ...node, name: String(node.name).slice(0, 64), addresses };
      return links.linkTo(bounded, signal);
    },
  };
}
