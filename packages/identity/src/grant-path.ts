/** Paths of grants: absolute, one spelling for each place. */
import { limits, MeshError } from "@hearthmesh/core";

/**
 * A path in its one spelling: no slash at the end, but `/` alone. `MESH_PATH_INVALID` otherwise.
 */
export function parseGrantPath(text: string): string {
  const path = text.length > 1 ? text.replace(/\/+$/, "") || "/" : text;
  const problem = pathProblem(path);
  if (problem === undefined) return path;
  throw new MeshError("MESH_PATH_INVALID", {
    message: `${JSON.stringify(text.slice(0, 80))} is not a path: ${problem}`,
  });
}

/** Whether the path is already in its one spelling; anything else is never granted. */
export function isGrantPath(path: string): boolean {
  return pathProblem(path) === undefined;
}

/** Whether `path` is `ancestor` or lies below it. Both in their one spelling. */
export function isWithin(ancestor: string, path: string): boolean {
  if (ancestor === "/" || ancestor === path) return true;
  return (
    path.length > ancestor.length && path.startsWith(ancestor) && path[ancestor.length] === "/"
  );
}

function pathProblem(path: string): string | undefined {
  if (!path.startsWith("/")) return "it does not start with /";
  if (path === "/") return undefined;
  if (Buffer.byteLength(path) > limits.PATH_BYTES_MAX) return "it is too long";
  if (hasControlCharacter(path)) return "it has a control character";
  const names = path.slice(1).split("/");
  if (names.length > limits.PATH_DEPTH_MAX) return "it is too deep";
  for (const name of names) {
    if (name === "") return "it has an empty part";
    if (name === "." || name === "..") return `it has the part ${name}`;
    if (Buffer.byteLength(name) > limits.PATH_NAME_BYTES_MAX) return "a name in it is too long";
  }
  return undefined;
}

function hasControlCharacter(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}
