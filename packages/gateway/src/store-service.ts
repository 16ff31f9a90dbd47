/** What the doors need from the node's part of the store. */
import type { StoreMembersResponse, StoreStatusResponse } from "./contracts/store.js";

export interface StoreService {
  status(): Promise<StoreStatusResponse>;
  members(): Promise<StoreMembersResponse>;
  /**
   * The database, then its SHA-256. Its head is there when it resolves; a failure later ends the
   * pieces with an error, so that nobody takes a part for the whole.
   */
  snapshot(signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
}
