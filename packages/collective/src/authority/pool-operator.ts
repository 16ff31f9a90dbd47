/** Pools are the operator's. */
import { MeshError } from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";

/** `MESH_FORBIDDEN`. */
export function requirePoolOperator(by: Principal): void {
  if (by.kind === "coordinator") return;
  throw new MeshError("MESH_FORBIDDEN", {
    message: `${by.name} may not change pools`,
    hint: "Only the operator may.",
  });
}
