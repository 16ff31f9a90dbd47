/** The keys of the snapshots at friends. */
import { duration, key } from "./key-forms.js";

export const BACKUP_KEYS = {
  "backup.interval": key(
    duration,
    "1h",
    "backup-interval",
    ["MESH_BACKUP_INTERVAL"],
    "How often a sealed snapshot of the records is written to every friend that gives room, when " +
      "something has changed.",
  ),
} as const;
