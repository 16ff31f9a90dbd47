/** The key of healing. */
import { z } from "zod";
import { key } from "./key-forms.js";

export const HEALING_KEYS = {
  "healing.mode": key(
    z.enum(["acting", "dry-run", "off"]),
    "acting",
    "healing",
    ["MESH_HEALING"],
    "acting: what breaks is mended. dry-run: the node says what it would do, and does nothing. " +
      "off: nothing is watched. `mesh heal` pauses and resumes while the node runs.",
  ),
} as const;
