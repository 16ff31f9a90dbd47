/** Snapshots at friends, for operators. */
import { MeshError } from "@hearthmesh/core";
import type { BackupService } from "../backup-service.js";
import { BACKUP_ENDPOINTS } from "../contracts/backup.js";
import { defineRoute, type Route } from "../server/route.js";
import type { GatewayServices } from "../services.js";

export function backupRoutes(services: Pick<GatewayServices, "backup">): Route[] {
  const { backup, runBackup } = BACKUP_ENDPOINTS;
  return [
    defineRoute(backup, "operator", async ({ query: { coverage }, signal }) =>
      backupOf(services).status({ coverage, signal }),
    ),
    defineRoute(runBackup, "operator", async ({ signal }) => backupOf(services).run(signal)),
  ];
}

function backupOf({ backup }: Pick<GatewayServices, "backup">): BackupService {
  if (backup !== undefined) return backup;
  throw new MeshError("MESH_NOT_FOUND", {
    message: "this node keeps no snapshots at friends",
    hint: "Ask the coordinator that leads.",
  });
}
