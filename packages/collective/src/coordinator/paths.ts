/**
 * Paths of the namespace. One place has one spelling: `/a/b`, without a slash at the end. Names are
 * compared by their bytes, as they were given: no case folding, no Unicode normalisation.
 */
import { limits, MeshError } from "@hearthmesh/core";

export interface MeshPath {
  /** The one spelling; `/` for the root. */
  readonly text: string;
  /** Names from the root down; empty for the root. */
  readonly names: readonly string[];
}

/** What can be wrong with a path is a matter of its text alone; nothing is looked up. */
export function parsePath(text: unknown): MeshPath {
  if (typeof text !== "string") throw invalid("", "it is not text");
  // Before anything reads it: a path of a megabyte costs one comparison.
  if (text.length > limits.PATH_BYTES_MAX || Buffer.byteLength(text) > limits.PATH_BYTES_MAX) {
    throw new MeshError("MESH_PATH_TOO_LONG", {
      message: `the path has more than ${limits.PATH_BYTES_MAX} bytes`,
    });
  }
  if (!text.startsWith("/")) throw invalid(text, "it does not start with /");
  if (/\p{Cc}/u.test(text)) throw invalid(text, "it has a control character");
  if (/\p{Surrogate}/u.test(text)) throw invalid(text, "it is not well-formed Unicode");
  const plain = text.length > 1 && text.endsWith("/") ? text.slice(0, -1) : text;
  const names = text === "/" ? [] : plain.slice(1).split("/");
  if (names.length > limits.PATH_DEPTH_MAX) {
    throw new MeshError("MESH_PATH_TOO_LONG", {
      message: `the path is deeper than ${limits.PATH_DEPTH_MAX} names`,
    });
  }
  for (const name of names) checkName(text, name);
  if (names[0]?.startsWith("@")) {
    throw invalid(text, "a first name with @ stands for another member, and none is connected");
  }
  // A grant on /kv/... is one on keys, and must never open files.
  if (names[0] === "kv") throw invalid(text, "/kv is for keys: `mesh kv` and /api/kv");
  return { text: plain, names };
}

/** The directory that holds the path; the root's is the root. */
export function parentOf(path: MeshPath): MeshPath {
  const names = path.names.slice(0, -1);
  return { text: `/${names.join("/")}`, names };
}

/** The first `depth` names of the path. */
export function ancestorAt(path: MeshPath, depth: number): MeshPath {
  const names = path.names.slice(0, depth);
  return { text: `/${names.join("/")}`, names };
}

/** The last name; empty for the root. */
export function nameOf(path: MeshPath): string {
  return path.names.at(-1) ?? "";
}

export function childPath(directory: string, name: string): string {
  return directory === "/" ? `/${name}` : `${directory}/${name}`;
}

/** Whether `path` is `ancestor` or lies below it. */
export function isWithin(ancestor: MeshPath, path: MeshPath): boolean {
  return (
    ancestor.names.length <= path.names.length &&
    ancestor.names.every((name, index) => name === path.names[index])
  );
}

function checkName(text: string, name: string): void {
  if (name === "") throw invalid(text, "it has an empty part");
  if (name === "." || name === "..") throw invalid(text, `it has the part ${name}`);
  if (Buffer.byteLength(name) > limits.PATH_NAME_BYTES_MAX) {
    throw new MeshError("MESH_PATH_TOO_LONG", {
      message: `a name in the path has more than ${limits.PATH_NAME_BYTES_MAX} bytes`,
    });
  }
}

function invalid(text: string, reason: string): MeshError {
  const shown = JSON.stringify(text.slice(0, 80));
  return new MeshError("MESH_PATH_INVALID", { message: `${shown} is not a path: ${reason}` });
}
