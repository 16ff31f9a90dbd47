/** The check of names, references and chunks, asked for by the operator. */
import type { FsckReportResponse, FsckRunResponse } from "@hearthmesh/gateway/contracts";
import type { ApiClient } from "./api-client.js";

export function runFsck(api: ApiClient, repair: boolean): Promise<FsckRunResponse> {
  return api.call("POST", "/api/fsck", { repair });
}

export function fsckReport(api: ApiClient): Promise<FsckReportResponse> {
  return api.call("GET", "/api/fsck");
}
