/** The etcd that the system has installed. */
import { execFile } from "node:child_process";
import { ERROR_REGISTRY, MeshError } from "@hearthmesh/core";
import { findProgram } from "../processes/find-program.js";
import { ETCD_VERSION_BYTES_MAX, ETCD_VERSION_MIN, ETCD_VERSION_MS_MAX } from "./limits.js";

export interface EtcdProgram {
  readonly path: string;
  /** Such as `3.4.23`. */
  readonly version: string;
  readonly major: number;
  readonly minor: number;
  /** Names of the flags that it knows, without dashes; they change between versions. */
  readonly flags: ReadonlySet<string>;
}

type EtcdVersion = Omit<EtcdProgram, "flags">;

export interface FindOptions {
  /** The variable PATH. */
  readonly searchPath: string | undefined;
}

/**
 * The first `etcd` in PATH. `MESH_ETCD_MISSING` when there is none, when it does not say its
 * version, or when it is older than 3.4.
 */
export async function findEtcd({ searchPath }: FindOptions): Promise<EtcdProgram> {
  const path = await findProgram("etcd", searchPath);
  if (path === undefined) throw new MeshError("MESH_ETCD_MISSING");
  const program = parseEtcdVersion(path, await outputOf(path, "--version"));
  if (program === undefined) {
    throw new MeshError("MESH_ETCD_MISSING", {
      message: `${path} does not say which version of etcd it is`,
    });
  }
  if (!isNewEnough(program)) {
    throw new MeshError("MESH_ETCD_MISSING", {
      message: `${path} is etcd ${program.version}; ${ETCD_VERSION_MIN.join(".")} is needed`,
    });
  }
  return { ...program, flags: parseEtcdFlags(await outputOf(path, "--help")) };
}

/**
 * The program that turns a snapshot into a data directory: `etcdutl`, or `etcdctl`, which did it
 * before 3.6. `MESH_ETCD_MISSING` that names the package when there is none.
 */
export async function findRestoreTool({ searchPath }: FindOptions): Promise<string> {
  for (const name of ["etcdutl", "etcdctl"]) {
    const path = await findProgram(name, searchPath);
    if (path !== undefined) return path;
  }
  throw new MeshError("MESH_ETCD_MISSING", {
    message: "neither etcdutl nor etcdctl is installed, which a restore needs",
    hint: ERROR_REGISTRY.MESH_ETCD_MISSING.hint.replace(/ Or run on.*$/, ""),
  });
}

/** `etcd Version: 3.4.23` in the first lines; undefined for anything else. */
export function parseEtcdVersion(path: string, text: string): EtcdVersion | undefined {
  const match = /^etcd Version: (\d{1,4})\.(\d{1,4})(\.[\w.+-]{1,40})?\s*$/m.exec(text);
  if (match === null) return undefined;
  const [, major = "", minor = "", rest = ""] = match;
  const version = `${major}.${minor}${rest}`;
  return { path, version, major: Number(major), minor: Number(minor) };
}

/** Every `--name` that begins a line of its help. */
export function parseEtcdFlags(help: string): ReadonlySet<string> {
  return new Set([...help.matchAll(/^\s+--([a-z0-9-]+)/gm)].map(([, name = ""]) => name));
}

export function isNewEnough({ major, minor }: Pick<EtcdProgram, "major" | "minor">): boolean {
  const [wantedMajor, wantedMinor] = ETCD_VERSION_MIN;
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** What it says on both outputs: the help goes to the one or the other. */
function outputOf(path: string, flag: string): Promise<string> {
  const limits = { timeout: ETCD_VERSION_MS_MAX, maxBuffer: ETCD_VERSION_BYTES_MAX };
  return new Promise((resolve) => {
    execFile(path, [flag], limits, (_error, stdout, stderr) => resolve(`${stdout}\n${stderr}`));
  });
}
