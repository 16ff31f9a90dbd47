/** Who may read the views of the mesh without a key: the form of `http.viewers`. */
import { parseNetworks } from "@hearthmesh/collective/admission";
import { limits, type MeshError } from "@hearthmesh/core";
import { z } from "zod";

/** Stands for the default gateway of this machine, whatever its address is at that moment. */
export const GATEWAY_VIEWER = "gateway";

export const viewers = z.preprocess(
  (value) => (typeof value === "string" ? value.split(",").map((item) => item.trim()) : value),
  z
    .array(
      z.string().transform((text, context) => {
        if (text === GATEWAY_VIEWER) return text;
        try {
          return parseNetworks([text])[0] ?? text;
        } catch (error) {
          context.addIssue({ code: "custom", message: (error as MeshError).message });
          return z.NEVER;
        }
      }),
    )
    .max(limits.ALLOWED_NETWORKS_MAX),
);
