/**
 * Where ggml's libraries lie: in a folder that is named, else in the installed package of this
 * platform; and where GPU libraries of the same version lie, when their packages are installed.
 */
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { MeshError } from "@hearthmesh/core";
import { LIBRARY_FILES_MAX } from "../limits.js";

export interface LibraryFiles {
  readonly folder: string;
  readonly base: string;
  readonly registry: string;
  /** Devices that come from other packages than the CPU's. */
  readonly gpuLibraries: readonly string[];
}

const BASE = /^(lib)?ggml-base(\.v?[\d.]+)?\.(so|dylib|dll)(\.[\d.]+)?$/;
const REGISTRY = /^(lib)?ggml(\.v?[\d.]+)?\.(so|dylib|dll)(\.[\d.]+)?$/;
const GPU = /^(lib)?ggml-(cuda|vulkan|metal)\.(so|dylib|dll)$/;
/** Packages of node-llama-cpp by what Node says about a machine. */
const PLATFORM_NAMES: Readonly<Record<string, string>> = {
  "linux-x64": "linux-x64",
  "linux-arm64": "linux-arm64",
  "darwin-x64": "mac-x64",
  "darwin-arm64": "mac-arm64-metal",
  "win32-x64": "win-x64",
  "win32-arm64": "win-arm64",
};
/** Best first: the first device that works is taken. */
const GPU_SUFFIXES = ["-cuda", "-vulkan"] as const;

/** `MESH_ENGINE_MISSING` says which folder or package was looked for, and on musl that. */
export function findLibraries(namedFolder: string | undefined): LibraryFiles {
  if (namedFolder !== undefined) return filesIn(namedFolder, []);
  const platform = PLATFORM_NAMES[`${process.platform}-${process.arch}`];
  if (platform === undefined) {
    throw missing(`there are no prebuilt libraries for ${process.platform} on ${process.arch}`);
  }
  const own = packageOf(platform);
  if (own === undefined) {
    const why = isMusl() ? "; it is made for glibc, and this system has musl" : "";
    throw missing(`the package @node-llama-cpp/${platform} is not installed${why}`);
  }
  const gpuLibraries = GPU_SUFFIXES.map((suffix) => packageOf(platform + suffix))
    .filter((found) => found !== undefined && found.version === own.version)
    .flatMap((found) => (found === undefined ? [] : gpuFilesIn(found.folder)));
  return filesIn(own.folder, gpuLibraries);
}

interface InstalledPackage {
  readonly folder: string;
  readonly version: string;
}

function packageOf(platform: string): InstalledPackage | undefined {
  const require = createRequire(import.meta.url);
  let root: string;
  try {
    root = dirname(dirname(require.resolve(`@node-llama-cpp/${platform}`)));
  } catch {
    return undefined;
  }
  const bins = join(root, "bins");
  const folder = list(bins)
    .map((name) => join(bins, name))
    .find((candidate) => list(candidate).some((name) => BASE.test(name) || GPU.test(name)));
  const record: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const version = (record as { version?: unknown }).version;
  if (folder === undefined || typeof version !== "string") return undefined;
  return { folder, version };
}

function filesIn(folder: string, gpuLibraries: readonly string[]): LibraryFiles {
  const names = list(folder).sort((a, b) => a.length - b.length);
  const find = (pattern: RegExp, what: string) => {
    const name = names.find((candidate) => pattern.test(candidate));
    if (name === undefined) throw missing(`${what} is not in ${folder}`);
    return join(folder, name);
  };
  return {
    folder,
    base: find(BASE, "libggml-base"),
    registry: find(REGISTRY, "libggml"),
    gpuLibraries: gpuLibraries.filter((path) => !names.includes(basename(path))),
  };
}

function gpuFilesIn(folder: string): string[] {
  return list(folder)
    .filter((name) => GPU.test(name))
    .map((name) => join(folder, name));
}

/** Names in a folder; empty when it cannot be read. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder).slice(0, LIBRARY_FILES_MAX);
  } catch {
    return [];
  }
}

function isMusl(): boolean {
  if (process.platform !== "linux") return false;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime === undefined;
}

function missing(message: string): MeshError {
  return new MeshError("MESH_ENGINE_MISSING", { message });
}
