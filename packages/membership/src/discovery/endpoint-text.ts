/** `host:port` from outside, brought to one form. */
import { formatEndpoint, parseEndpoint } from "@hearthmesh/identity";

/** The one form of an address that can be dialled; undefined for anything else. */
export function canonicalEndpoint(text: string): string | undefined {
  try {
    const { host, port } = parseEndpoint(text);
    const isEverywhere = host === "0.0.0.0" || /^[0:]+$/.test(host);
    return isEverywhere ? undefined : formatEndpoint({ host, port });
  } catch {
    return undefined;
  }
}

/** Those that can be dialled, each once, up to `countMax`. */
export function canonicalEndpoints(texts: readonly string[], countMax: number): string[] {
  const found = new Set<string>();
  for (const text of texts) {
    const address = canonicalEndpoint(text);
    if (address !== undefined && found.size < countMax) found.add(address);
  }
  return [...found];
}
