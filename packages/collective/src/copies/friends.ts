/** What the copies need from the other members. */
import type { FileClient } from "../client/file-client.js";

/** Files at a friend, as its own coordinator sees the member that asks. */
export type FriendFiles = Pick<
  FileClient,
  "read" | "write" | "stat" | "makeDirectory" | "remove" | "list"
>;

/** What a friend says about the room that it gives. */
export interface FriendOffer {
  /** 0 when nothing is offered. */
  readonly bytes: number;
  readonly usedBytes: number;
  readonly withdrawn: boolean;
}

/** A peer, whether it offers room or not. */
export interface FriendName {
  readonly trustDomain: string;
  /** What the operator calls it, such as `bob`. */
  readonly alias: string;
}

export interface FriendsPort {
  /** The peers of now. */
  list(): readonly FriendName[];
  /** `MESH_UNREACHABLE`, `MESH_TIMEOUT` and what the friend itself says. */
  askOffer(trustDomain: string, signal: AbortSignal): Promise<FriendOffer>;
  files(trustDomain: string): FriendFiles;
}

/** This home's own files, as its operator. */
export interface HomeFiles {
  read: FileClient["read"];
  makeDirectory: FileClient["makeDirectory"];
}
