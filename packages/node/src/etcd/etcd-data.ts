/** The data directory of etcd, and which cluster it belongs to. */
import { mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { listIfThere, readIfThere, writePrivate } from "@hearthmesh/client/private-files";
import { DATA_ASIDE_KEPT_MAX } from "./limits.js";
import type { StoreFiles } from "./store-files.js";

/** What this node wrote down about the cluster when it last saw it. */
export interface MembershipRecord {
  v: 1;
  /** Of this node's own etcd, when it is a member. Hexadecimal. */
  own?: { clusterId: string; memberId: string };
  /** Client addresses of the other members, to find them again after a start of everything. */
  endpoints: readonly string[];
}

/** etcd made its write-ahead log there: then it starts by it, whatever its flags say. */
export async function hasEtcdData(dataDirectory: string): Promise<boolean> {
  const names = await listIfThere(join(dataDirectory, "member", "wal"));
  return names.some((name) => name.endsWith(".wal"));
}

/** Undefined when there is none, or a damaged one: it only helps. */
export async function readMembership(
  files: Pick<StoreFiles, "membership">,
): Promise<MembershipRecord | undefined> {
  const text = await readIfThere(files.membership);
  if (text === undefined) return undefined;
  try {
    const record = JSON.parse(text) as Partial<MembershipRecord>;
    const { own, endpoints } = record;
    const urls = Array.isArray(endpoints) ? endpoints : [];
    const texts = urls.filter((url): url is string => typeof url === "string");
    const { clusterId, memberId } = (own ?? {}) as Partial<Record<string, unknown>>;
    if (typeof clusterId !== "string" || typeof memberId !== "string") {
      return { v: 1, endpoints: texts };
    }
    return { v: 1, own: { clusterId, memberId }, endpoints: texts };
  } catch {
    return undefined;
  }
}

export async function writeMembership(
  files: Pick<StoreFiles, "membership">,
  record: MembershipRecord,
): Promise<void> {
  const text = `${JSON.stringify(record)}\n`;
  if ((await readIfThere(files.membership)) !== text) await writePrivate(files.membership, text);
}

/**
 * Moves the data out of the way without removing it, and forgets the membership, but not where the
 * other members are. Returns where it lies now; undefined when there was none. The oldest of what
 * was put aside goes.
 */
export async function setDataAside(
  files: Pick<StoreFiles, "data" | "membership">,
  nowMs: number,
): Promise<string | undefined> {
  const stamp = new Date(nowMs).toISOString().replace(/[-:]|\.\d+/g, "");
  const aside = `${files.data}-aside-${stamp}`;
  const record = await readMembership(files);
  if (record !== undefined) await writeMembership(files, { v: 1, endpoints: record.endpoints });
  try {
    await mkdir(dirname(files.data), { recursive: true, mode: 0o700 });
    await rename(files.data, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  await pruneAside(files.data);
  return aside;
}

async function pruneAside(dataDirectory: string): Promise<void> {
  const folder = dirname(dataDirectory);
  const prefix = `${basename(dataDirectory)}-aside-`;
  const names = (await listIfThere(folder)).filter((name) => name.startsWith(prefix));
  for (const name of names.slice(0, Math.max(0, names.length - DATA_ASIDE_KEPT_MAX))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}
