/** The keys of pools. */
import { CAPACITY_MAX } from "@hearthmesh/pool/membership";
import { key, whole } from "./key-forms.js";

export const POOL_KEYS = {
  "pool.capacity": key(
    whole(1, CAPACITY_MAX),
    "1",
    "pool-capacity",
    ["MESH_POOL_CAPACITY"],
    "Share of this node in the rings of its pools, against that of the others: with 2 it gets " +
      "twice the columns of a node with 1.",
  ),
} as const;
