/** The forms that configuration values have, and the shape of a key's definition. */
import { limits, type MeshError, parseDurationMs, parseSizeBytes } from "@hearthmesh/core";
import { parseEndpoint } from "@hearthmesh/identity";
import { z } from "zod";

/** A whole number, in digits: a coerced text could also be `0x50` or `1e3`. */
export const whole = (least: number, most: number) => {
  const error = `use a whole number from ${least} to ${most}`;
  return z.preprocess(
    (value) => (typeof value === "string" && /^\s*\d{1,15}\s*$/.test(value) ? +value : value),
    z.number({ error }).int({ error }).min(least, { error }).max(most, { error }),
  );
};
export const port = whole(1, 65_535);
export const host = z.string().min(1).max(255);
export const list = z.preprocess(
  (value) => (typeof value === "string" ? value.split(",").map((item) => item.trim()) : value),
  z.array(z.string().min(1)),
);

function converted<T>(convert: (text: string) => T) {
  const error = "use a number with its unit";
  return z.union([z.number(), z.string()], { error }).transform((value, context) => {
    if (typeof value === "number") return value;
    try {
      return convert(value);
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as MeshError).message });
      return z.NEVER;
    }
  });
}
/** `host:port`, each with its port. */
export const endpoints = z.preprocess(
  (value) => (typeof value === "string" ? value.split(",").map((item) => item.trim()) : value),
  z.array(z.string().refine(isEndpoint, "use host:port")).max(limits.NODE_ADDRESSES_MAX),
);

function isEndpoint(text: string): boolean {
  try {
    parseEndpoint(text);
    return true;
  } catch {
    return false;
  }
}

/** `warning` is the name that the deployment guide and others use, and some write in capitals. */
export const logLevel = z.preprocess(
  (value) => {
    const name = typeof value === "string" ? value.toLowerCase() : value;
    return name === "warning" ? "warn" : name;
  },
  z.enum(["debug", "info", "warn", "error"]),
);

export const size = converted(parseSizeBytes);
export const duration = converted(parseDurationMs);

export interface ConfigKey {
  /** Checks and converts a value from a flag, a variable or the file. */
  readonly form: z.ZodType;
  /** As text, as it would stand in the file; empty when there is none. */
  readonly default: string;
  /** Long flag of `mesh up` without the dashes; empty for a secret, which never stands in argv. */
  readonly flag: string;
  /** The first one is ours; the others are accepted under the names that guides use. */
  readonly variables: readonly string[];
  readonly about: string;
  /** Its value is never shown. */
  readonly isSecret?: boolean;
}

export const key = (
  form: z.ZodType,
  standard: string,
  flag: string,
  variables: readonly string[],
  about: string,
): ConfigKey => ({ form, default: standard, flag, variables, about });

export const flag = z
  .union([z.boolean(), z.enum(["true", "false", "yes", "no", "1", "0"])], {
    error: "use true or false",
  })
  .transform((value) => [true, "true", "yes", "1"].includes(value));
