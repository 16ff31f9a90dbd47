/** Why a node runs no models, by its configuration and its roles; undefined: it does. Pure. */
import type { AiConfig } from "../config/config.js";

export function unavailableOf(
  { enabled }: Pick<AiConfig, "enabled">,
  hasRole: boolean,
): string | undefined {
  if (enabled === "false") return "ai.enabled is false";
  if (enabled === "auto" && !hasRole) return "it has not the role ai";
  return undefined;
}
