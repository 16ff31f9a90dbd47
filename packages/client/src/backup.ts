/** Snapshots of the member's records at friends, asked by its operator. */
import type { BackupResponse } from "@hearthmesh/gateway/contracts";
import type { ApiClient } from "./api-client.js";

/** `coverage`: count the files as well, which reads every entry. */
export function backupStatus(api: ApiClient, coverage: boolean): Promise<BackupResponse> {
  return api.call("GET", `/api/backup?coverage=${coverage}`);
}

/** Writes a snapshot to every friend that gives room, and waits for it. */
export function backupNow(api: ApiClient): Promise<BackupResponse> {
  return api.call("POST", "/api/backup");
}
