/** Errors about a model's file. What they quote comes from strangers, so it is made printable. */
import { MeshError } from "@hearthmesh/core";

/** Characters of one message. */
const MESSAGE_CHARACTERS_MAX = 400;

/** A file that is cut off, contradicts itself, or is none. */
export function damaged(message: string, cause?: unknown): MeshError {
  return new MeshError("MESH_MODEL_DAMAGED", { message: printable(message), cause });
}

/** A file of a kind that is not supported; the message names it. */
export function unsupported(message: string): MeshError {
  return new MeshError("MESH_MODEL_UNSUPPORTED", { message: printable(message) });
}

/** Without control characters and marks that turn the direction of text. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}]/gu, "?").slice(0, MESSAGE_CHARACTERS_MAX);
}
