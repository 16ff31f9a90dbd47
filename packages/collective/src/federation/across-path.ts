/**
 * Paths that may lead to another member: `/@bob/garage/film.mkv` is `/garage/film.mkv` at the peer
 * that is called `bob` here. Pure: nothing is looked up, and whether there is such a peer is not
 * known yet.
 *
 * - `/@` is the directory of all peers; `/@bob` is the root of Bob's namespace.
 * - What stands for the peer is its alias, its trust domain or its member id.
 * - What follows is a path of the peer in the one spelling that paths have: no `.` or `..`, no
 *   empty part, no control character. It cannot lead on to a third member: `/@bob/@carol` is none.
 */
import { MeshError } from "@hearthmesh/core";
import { parsePath } from "../coordinator/paths.js";

export type AcrossPath =
  | { readonly at: "home"; readonly path: string }
  /** `/@` itself. */
  | { readonly at: "peers" }
  /** `path`: as the peer itself calls it. */
  | { readonly at: "peer"; readonly peer: string; readonly path: string };

/** The directory in which every peer is one. */
export const PEERS_PATH = "/@";

/** What an alias, a trust domain and a member id have in common. */
const PEER_NAME = /^[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?$/;

/** Throws `MESH_PATH_INVALID` or `MESH_PATH_TOO_LONG`; the path of home is left to its owner. */
export function splitPath(text: unknown): AcrossPath {
  if (typeof text !== "string" || !text.startsWith(PEERS_PATH)) {
    return { at: "home", path: text as string };
  }
  if (text === PEERS_PATH || text === `${PEERS_PATH}/`) return { at: "peers" };
  const slash = text.indexOf("/", PEERS_PATH.length);
  const peer = text.slice(PEERS_PATH.length, slash < 0 ? undefined : slash);
  if (!PEER_NAME.test(peer)) {
    throw new MeshError("MESH_PATH_INVALID", {
      message: `${JSON.stringify(text.slice(0, 80))} names no member after the @`,
      hint: "Write /@ and the name of a peer, such as /@bob/garage; `mesh ls /@` lists them.",
    });
  }
  return { at: "peer", peer, path: parsePath(slash < 0 ? "/" : text.slice(slash)).text };
}

/** Whether the path leads to another member, or to the list of them. */
export function leadsAway(path: unknown): boolean {
  return typeof path === "string" && path.startsWith(PEERS_PATH);
}

/** The path of a peer as it is written here. */
export function pathAt(peer: string, path: string): string {
  return path === "/" ? `${PEERS_PATH}${peer}` : `${PEERS_PATH}${peer}${path}`;
}
