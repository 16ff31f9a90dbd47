/** What somebody says who introduces a node: its URL, its name here, what it is good for. */
import { limits, MeshError, parseNodeName } from "@hearthmesh/core";

const URL_LENGTH_MAX = 512;
const CAPABILITY = /^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/;

/**
 * The base URL of a node's HTTP port, without a slash at its end: `http://192.168.1.100:3000`,
 * `https://hub.example.com/mesh`, `http://[fd00::7]:3000`. `MESH_BAD_REQUEST` says what is wrong.
 */
export function parseNodeUrl(text: string): string {
  const bad = (problem: string) =>
    new MeshError("MESH_BAD_REQUEST", {
      message: `nodeUrl: ${problem}`,
      hint: "Write the URL of the other node's port, such as http://192.168.1.100:3000.",
    });
  const trimmed = text.trim();
  if (trimmed === "") throw bad("it is empty");
  if (trimmed.length > URL_LENGTH_MAX) throw bad(`it is longer than ${URL_LENGTH_MAX} characters`);
  if (!URL.canParse(trimmed)) throw bad("it is not a URL");
  const url = new URL(trimmed);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw bad("it must start with http:// or https://");
  }
  if (url.username !== "" || url.password !== "") throw bad("it must not hold a user or password");
  if (url.search !== "" || url.hash !== "") throw bad("it must not have a query or fragment");
  if (url.port === "0") throw bad("port 0 cannot be reached");
  const path = url.pathname.replace(/\/+$/, "");
  return `${url.protocol}//${url.host}${path}`;
}

/** `a,b` or a list, in lower case, without repetitions. `MESH_BAD_REQUEST` says what is wrong. */
export function parseCapabilities(input: string | readonly string[]): string[] {
  const texts = typeof input === "string" ? input.split(",") : input;
  const names = texts.map((text) => text.trim().toLowerCase()).filter((name) => name !== "");
  const wrong = names.find(
    (name) => name.length > limits.CAPABILITY_BYTES_MAX || !CAPABILITY.test(name),
  );
  if (wrong !== undefined) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `capabilities: ${JSON.stringify(wrong.slice(0, 40))} is not a capability`,
      hint:
        "Write words of a-z, 0-9, - and dots, such as storage,compute; " +
        `each up to ${limits.CAPABILITY_BYTES_MAX} characters.`,
    });
  }
  const unique = [...new Set(names)];
  if (unique.length > limits.CAPABILITIES_MAX) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `capabilities: there are more than ${limits.CAPABILITIES_MAX}`,
    });
  }
  return unique;
}

/** In lower case. `MESH_BAD_REQUEST` when it could not be a node's name. */
export function parseGivenName(text: string): string {
  try {
    return parseNodeName(text.trim().toLowerCase());
  } catch (cause) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `nodeName: ${(cause as MeshError).message}`,
      hint: "Use up to 63 of a-z, 0-9 and -, such as homelab-node.",
    });
  }
}
