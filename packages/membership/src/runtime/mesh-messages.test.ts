import { encodeMessage } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf, id, record } from "../testing/wire-fixtures.js";
import { CERTIFICATES_PER_REQUEST_MAX, EXCHANGE_PAGE_NODES_MAX } from "./limits.js";
import {
  decodeCertificates,
  decodeCertificatesRequest,
  decodeExchangeRequest,
  decodePage,
  decodeSummaryAnswer,
  encodeCertificates,
  encodeCertificatesRequest,
  encodePage,
  encodePageRequest,
  encodeSummaryAnswer,
  encodeSummaryRequest,
} from "./mesh-messages.js";

const whole = (pieces: readonly Uint8Array[]) => Buffer.concat(pieces);
const CERTIFICATE = Buffer.alloc(700, 7);
const PAGE = {
  claims: [
    { kind: "self", record: record(1, 20) },
    { kind: "dead", nodeId: id(2), incarnation: 3, from: id(1) },
  ],
  certificates: [CERTIFICATE, CERTIFICATE],
} as const;

describe("the requests of membership on links", () => {
  it("come back as they were", () => {
    const summary = decodeExchangeRequest(whole(encodeSummaryRequest("hash", CERTIFICATE)));
    expect(summary).toEqual({ kind: "summary", hash: "hash", certificate: CERTIFICATE });
    const page = decodeExchangeRequest(whole(encodePageRequest([id(5)], PAGE)));
    expect(page).toEqual({ kind: "page", wanted: [id(5)], ...PAGE });
    expect(decodePage(whole(encodePage(PAGE)))).toEqual(PAGE);
    expect(decodeSummaryAnswer(whole(encodeSummaryAnswer(undefined)))).toBeUndefined();
    expect(decodeSummaryAnswer(whole(encodeSummaryAnswer(CERTIFICATE)))).toEqual(CERTIFICATE);
    const ids = [id(1), id(2)];
    expect(decodeCertificatesRequest(whole(encodeCertificatesRequest(ids)))).toEqual(ids);
    const { certificates } = PAGE;
    expect(decodeCertificates(whole(encodeCertificates(certificates)))).toEqual(certificates);
  });

  it.each([
    [decodeExchangeRequest, { kind: "other" }],
    [decodeExchangeRequest, { kind: "summary", hash: 1 }],
    [decodeExchangeRequest, { kind: "page", wanted: "all", runs: [] }],
    [decodeExchangeRequest, { kind: "page", wanted: ["x"], runs: [] }],
    [decodeExchangeRequest, { kind: "page", wanted: Array(49).fill(id(1)), runs: [] }],
    [decodePage, { runs: [] }],
    [decodePage, { runs: [5] }],
    [decodePage, { runs: [-1] }],
    [decodePage, { runs: [0.5] }],
    [decodePage, { runs: Array(EXCHANGE_PAGE_NODES_MAX + 2).fill(0) }],
    [decodeSummaryAnswer, {}],
    [decodeCertificatesRequest, { nodeIds: Array(CERTIFICATES_PER_REQUEST_MAX + 1).fill(id(1)) }],
    [decodeCertificatesRequest, { nodeIds: [{}] }],
    [decodeCertificates, { runs: {} }],
  ])("are refused when they are malformed: %s %j", (decode, header) => {
    expect(codeOf(() => decode(whole(encodeMessage(header))))).toBe("MESH_BAD_REQUEST");
  });

  it("have bytes for every length, and no others", () => {
    expect(codeOf(() => decodeCertificates(whole(encodeMessage({ runs: [1] }, CERTIFICATE))))).toBe(
      "MESH_BAD_REQUEST",
    );
  });

  it("are refused as anything else with an error of the registry", () => {
    const decoders = [decodeExchangeRequest, decodePage, decodeCertificatesRequest];
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        for (const decode of decoders) expect(codeOf(() => decode(bytes))).not.toBe("none");
      }),
    );
  });

  it("fit a link's message, whatever the page holds", () => {
    const page = {
      claims: Array.from({ length: EXCHANGE_PAGE_NODES_MAX }, (_, at) => [
        { kind: "self", record: record(at + 1, 512) } as const,
        { kind: "suspect", nodeId: id(at + 1), incarnation: 12, from: id(999) } as const,
      ]).flat(),
      certificates: Array<Uint8Array>(EXCHANGE_PAGE_NODES_MAX).fill(new Uint8Array(4096)),
    };
    const wanted = Array.from({ length: EXCHANGE_PAGE_NODES_MAX }, (_, at) => id(at));
    expect(whole(encodePageRequest(wanted, page)).length).toBeLessThan(1 << 18);
  });
});
