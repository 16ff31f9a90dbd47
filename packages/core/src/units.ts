/** Durations and sizes as people write them. */
import { MeshError } from "./errors.js";

const DURATION_MS: Record<string, number> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** `90s`, `24h`, `7d`, `1h30m` to milliseconds. */
export function parseDurationMs(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/g)];
  const matched = parts.map((part) => part[0]).join("");
  if (parts.length === 0 || matched !== text.trim()) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${JSON.stringify(text)} is not a duration`,
      hint: "Write a number and a unit: 30s, 15m, 24h, 7d, 2w.",
    });
  }
  return parts.reduce((sum, part) => sum + Number(part[1]) * (DURATION_MS[part[2] ?? ""] ?? 0), 0);
}

const SIZE_BYTES: Record<string, number> = {
  "": 1,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
};

/** `512MB`, `1.5 GiB`, `4096` to bytes. */
export function parseSizeBytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match === null ? undefined : SIZE_BYTES[(match[2] ?? "").toUpperCase()];
  if (match === null || unit === undefined) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${JSON.stringify(text)} is not a size`,
      hint: "Write a number and a unit: 512MB, 1GiB, 2TB.",
    });
  }
  return Math.floor(Number(match[1]) * unit);
}

/** Bytes for people: `1.5 GiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`;
}
