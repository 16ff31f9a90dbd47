/**
 * What healers keep, whoever keeps it. A record of a form that this version does not know, or that
 * is damaged, is as good as none.
 */
import type { GatesRecord, KnowledgeStore } from "@hearthmesh/healing";
import { z } from "zod";

/** Beside what the healer knows: how often it did something, for the next run of the daemon. */
export interface NodeKnowledge extends KnowledgeStore {
  saveGates(gates: GatesRecord): Promise<void>;
}

const NAME_CHARS_MAX = 255;
/** More than the gates of a healer ever hold. */
const ENTRIES_MAX = 4_096;

const name = z.string().min(1).max(NAME_CHARS_MAX);
const timeMs = z.number().finite();
const openedAtMs = timeMs.optional();
const subject = z.object({ type: name, id: name, name });
const count = z.number().int().min(0);
const timesMs = z.array(timeMs).max(ENTRIES_MAX);

const gates = z.object({
  v: z.literal(1),
  usesAtMs: timesMs,
  rates: z
    .array(z.object({ remedy: name, subject, atMs: timesMs, windowMs: count }))
    .max(ENTRIES_MAX),
  subjects: z
    .array(z.object({ remedy: name, subject, failures: count, openedAtMs, lastAtMs: timeMs }))
    .max(ENTRIES_MAX),
  remedies: z
    .array(
      z.object({
        remedy: name,
        failedFor: z.array(z.object({ subject, atMs: timeMs })).max(ENTRIES_MAX),
        openedAtMs,
      }),
    )
    .max(ENTRIES_MAX),
});

export function readGates(value: unknown): GatesRecord | undefined {
  const { success, data } = gates.safeParse(value);
  // Remedies that there are no more are never asked for.
  return success ? (data as GatesRecord) : undefined;
}

/** What was written by this program, by its version alone. */
export function readRecord<Kept extends { readonly v: 1 }>(value: unknown): Kept | undefined {
  return (value as { v?: unknown } | null | undefined)?.v === 1 ? (value as Kept) : undefined;
}

export function readJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return undefined;
  }
}
