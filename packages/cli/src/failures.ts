/** How a command ends that failed: three lines on standard error, and an exit status. */
import { ERROR_REGISTRY, type ErrorCode, isMeshError, MeshError } from "@hearthmesh/core";
import { type Cli, note } from "./cli.js";
import { printable } from "./text.js";

/** As the shell reports a program that Ctrl-C ended. */
const INTERRUPTED_EXIT_CODE = 130;

/** Prints the error and returns the exit status. */
export function reportFailure(cli: Cli, error: unknown): number {
  if (cli.signal.aborted) return INTERRUPTED_EXIT_CODE;
  const known = toMeshError(error);
  note(cli, `${cli.colours.red("error:")} ${printable(known.message)}`);
  if (known.hint !== "") note(cli, `  hint: ${printable(known.hint)}`);
  note(cli, `  code: ${known.code}`);
  if (cli.env.MESH_DEBUG && error instanceof Error) note(cli, error.stack ?? "");
  return known.exitCode;
}

const FILE_ERRORS: Record<string, readonly [ErrorCode, string]> = {
  ENOENT: ["MESH_NOT_FOUND", "there is no such file on this machine"],
  EACCES: ["MESH_FORBIDDEN", "this machine does not allow it"],
  EPERM: ["MESH_FORBIDDEN", "this machine does not allow it"],
  EISDIR: ["MESH_IS_A_DIRECTORY", "it is a directory on this machine"],
  ENOTDIR: ["MESH_NOT_A_DIRECTORY", "a part of the path is a file on this machine"],
  ENOSPC: ["MESH_DISK_FULL", "the disk of this machine is full"],
  EEXIST: ["MESH_PATH_EXISTS", "it exists already on this machine"],
};

function toMeshError(error: unknown): MeshError {
  if (isMeshError(error)) return error;
  const { code, path, message } = error as NodeJS.ErrnoException;
  const known = code === undefined ? undefined : FILE_ERRORS[code];
  if (known !== undefined) {
    const [meshCode, reason] = known;
    return new MeshError(meshCode, {
      message: path === undefined ? reason : `${path}: ${reason}`,
      hint: code === "ENOSPC" ? "Free some space." : "Check the name of the local file.",
    });
  }
  const text = typeof message === "string" ? message : String(error);
  return new MeshError("MESH_INTERNAL", {
    message: text,
    hint: `${ERROR_REGISTRY.MESH_INTERNAL.hint} MESH_DEBUG=1 shows where.`,
  });
}

/** For options and arguments that do not fit. */
export function usageError(message: string, hint?: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message,
    hint: hint ?? "Add --help to see how the command is used.",
  });
}
