/**
 * `pool.exchange` on links: JSON behind an empty header. Both ways the same shape: digests of what
 * the sender holds, and what it believes that the other lacks. Every part is signed by whoever said
 * it, so that it does not matter who hands it on.
 */
import { decodeMessage, encodeMessage, limits, MeshError } from "@hearthmesh/core";
import { type AgreementDigest, type AgreementNews, readDigest } from "@hearthmesh/pool/membership";
import { EXCHANGE_BYTES_MAX } from "./limits.js";

export const EXCHANGE_METHOD = "pool.exchange";

export interface ExchangeMessage {
  readonly v: 1;
  readonly digests: readonly AgreementDigest[];
  readonly news: readonly AgreementNews[];
}

/** News beyond `EXCHANGE_BYTES_MAX` are left for the next exchange. */
export function encodeExchange(
  digests: readonly AgreementDigest[],
  news: readonly AgreementNews[],
): Uint8Array[] {
  const fitting: AgreementNews[] = [];
  let bytes = 0;
  for (const one of news) {
    bytes += JSON.stringify(one).length;
    if (fitting.length > 0 && bytes > EXCHANGE_BYTES_MAX) break;
    fitting.push(one);
  }
  const message: ExchangeMessage = { v: 1, digests, news: fitting };
  return encodeMessage({}, Buffer.from(JSON.stringify(message), "utf8"));
}

/** `MESH_PROTOCOL`. The signatures are for the agreement to judge. */
export function decodeExchange(bytes: Uint8Array): ExchangeMessage {
  if (bytes.length > 2 * EXCHANGE_BYTES_MAX) throw malformed("it is too long");
  const { v, digests, news } = parse(decodeMessage(bytes).body);
  if (v !== 1 || !isShortList(digests) || !isShortList(news)) throw malformed("its form is wrong");
  return {
    v: 1,
    digests: digests.flatMap((one) => readDigest(one) ?? []),
    news: news.flatMap((one) => (isNews(one) ? [one] : [])),
  };
}

function isShortList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.length <= limits.POOLS_MAX;
}

function isNews(value: unknown): value is AgreementNews {
  const news = (value ?? {}) as Partial<AgreementNews>;
  const { poolId, roster, statements } = news;
  const isRoster = roster === undefined || (typeof roster === "object" && roster !== null);
  return typeof poolId === "string" && isRoster && Array.isArray(statements);
}

function parse(body: Uint8Array): Partial<ExchangeMessage> {
  try {
    const value: unknown = JSON.parse(Buffer.from(body).toString("utf8"));
    if (value !== null && typeof value === "object") return value as Partial<ExchangeMessage>;
  } catch {
    // Falls through: where JSON broke does not help the peer.
  }
  throw malformed("it is not JSON");
}

function malformed(reason: string): MeshError {
  return new MeshError("MESH_PROTOCOL", {
    message: `an exchange of pools is malformed: ${reason}`,
  });
}
