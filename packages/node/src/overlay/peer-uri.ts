/**
 * Addresses of Yggdrasil peers: `tcp://host:port`, `tls://[::1]:9443?key=...`. Checked before its
 * daemon is started, which would only log what it does not understand.
 */
import { parseEndpoint } from "@hearthmesh/identity";
import { OVERLAY_URI_LENGTH_MAX } from "./limits.js";

/** `quic`, `ws`, `wss` and `sockstls` came with Yggdrasil 0.5. */
const DIAL_SCHEMES = ["tcp", "tls", "quic", "ws", "wss", "socks", "sockstls", "unix"];
const LISTEN_SCHEMES = ["tcp", "tls", "quic", "ws", "unix"];
/** What may follow the address; https://yggdrasil-network.github.io/configurationref.html */
const OPTIONS = ["key", "priority", "sni", "password", "maxbackoff"];

/** Why it is no address of a peer; undefined when it is one. */
export function whyNoPeer(uri: string): string | undefined {
  return whyNoUri(uri, DIAL_SCHEMES);
}

/** Why it is no address to listen at; undefined when it is one. */
export function whyNoListener(uri: string): string | undefined {
  return whyNoUri(uri, LISTEN_SCHEMES);
}

/** Without what may be secret: a user of a proxy, and what follows the `?`. */
export function shownUri(uri: string): string {
  // Up to the last `@`: a password may contain one, and a `/`.
  return uri.replace(/[?#].*$/s, "").replace(/^([a-z0-9]+:\/\/).*@/is, "$1");
}

/** A line of the daemon, which may repeat addresses as they were given to it. */
export function shownLine(line: string): string {
  return line.replace(/\b[a-z0-9]+:\/\/[^\s"']+/gi, shownUri);
}

function whyNoUri(uri: string, schemes: readonly string[]): string | undefined {
  const shown = JSON.stringify(shownUri(uri).slice(0, 64));
  if (uri.length > OVERLAY_URI_LENGTH_MAX) {
    return `${shown}... is longer than ${OVERLAY_URI_LENGTH_MAX} characters`;
  }
  if (/[^\x21-\x7e]/.test(uri)) return `${shown} has a character that no address has`;
  const [, scheme = "", rest = ""] = /^([a-z0-9]+):\/\/(.+)$/.exec(uri) ?? [];
  if (!schemes.includes(scheme)) {
    return `${shown} does not begin with one of ${schemes.map((one) => `${one}://`).join(", ")}`;
  }
  const [place = "", query = ""] = rest.split("?", 2);
  const options = query === "" ? [] : query.split("&").map((one) => one.split("=", 1)[0] ?? "");
  const unknown = options.find((option) => !OPTIONS.includes(option));
  if (unknown !== undefined) return `${shown} has an option that is not known: ${unknown}`;
  return isPlace(scheme, place) ? undefined : `${shown} is not ${formOf(scheme)}`;
}

/** Yggdrasil 0.4 crashes on an address that Go's `url.Parse` does not take. */
const USER_OF_PROXY = /^([\w.~!$&'()*+,;=@:-]|%[0-9a-f]{2})*$/i;

function isPlace(scheme: string, place: string): boolean {
  if (scheme === "unix") return place.startsWith("/");
  if (scheme.startsWith("socks")) {
    const [proxy = "", target = "", ...more] = place.split("/");
    const at = proxy.lastIndexOf("@");
    const isUser = at < 0 || USER_OF_PROXY.test(proxy.slice(0, at));
    return isUser && more.length === 0 && isEndpoint(proxy.slice(at + 1)) && isEndpoint(target);
  }
  // A path belongs to a web socket alone.
  const [host = "", ...path] = place.split("/");
  if (/%(?![0-9a-f]{2})/i.test(path.join("/"))) return false;
  if (path.length > 0 && !scheme.startsWith("ws")) return false;
  return isEndpoint(host);
}

function isEndpoint(text: string): boolean {
  try {
    return parseEndpoint(text).host !== "";
  } catch {
    return false;
  }
}

function formOf(scheme: string): string {
  if (scheme === "unix") return "unix:///path";
  return scheme.startsWith("socks") ? `${scheme}://proxy:port/host:port` : `${scheme}://host:port`;
}
