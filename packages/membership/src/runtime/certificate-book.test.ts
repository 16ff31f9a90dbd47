import type { NodeId } from "@hearthmesh/core";
import { generateKeyPair, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import { signRecord } from "../record-proof.js";
import type { NodeRecord } from "../swim/messages.js";
import { id, record } from "../testing/wire-fixtures.js";
import { CertificateBook } from "./certificate-book.js";
import {
  CERTIFICATE_BYTES_MAX,
  CERTIFICATE_GRACE_MS,
  CERTIFICATE_TRIES_MAX,
  PENDING_RECORD_MS_MAX,
  PENDING_RECORDS_MAX,
} from "./limits.js";

const KEYS = generateKeyPair();
const { nodeId } = KEYS;
const publicKey = publicKeyDerOf(KEYS.publicKeyPem);
const DAY_MS = 86_400_000;

/** Stands for a certificate of `KEYS`: its end in milliseconds as text. */
const ending = (notAfterMs: number) => Buffer.from(String(notAfterMs));

function makeBook() {
  const state = { nowMs: 0, revoked: new Set<NodeId>(), verified: 0 };
  const book = new CertificateBook({
    verifyCertificate: (der) => {
      state.verified++;
      const notAfterMs = Number(Buffer.from(der).toString());
      if (!(notAfterMs > state.nowMs)) throw new Error("not of this member, or ended");
      return { nodeId, publicKey, notAfterMs, name: "alice-node-01" };
    },
    isRevoked: (subject) => state.revoked.has(subject),
    nowMs: () => state.nowMs,
  });
  return { book, state };
}

function signed(changes: Partial<NodeRecord> = {}): NodeRecord {
  return signRecord({ ...record(1, 4), nodeId, ...changes }, signerOf(KEYS.privateKeyPem));
}

describe("the book of certificates", () => {
  it("believes a record whose node's key made its proof, under its name", () => {
    const { book } = makeBook();
    expect(book.verify(signed())).toBe(false);
    expect(book.add(ending(DAY_MS))).toBe(nodeId);
    expect(book.verify(signed())).toBe(true);
    expect(book.verify({ ...signed(), incarnation: 99 })).toBe(false);
    expect(book.verify(signed({ name: "alice-coordinator" }))).toBe(false);
  });

  it("refuses what does not verify, is too large or empty, or is revoked", () => {
    const { book, state } = makeBook();
    expect(book.add(Buffer.from("forged"))).toBeUndefined();
    expect(book.add(new Uint8Array(CERTIFICATE_BYTES_MAX + 1))).toBeUndefined();
    expect(book.add(new Uint8Array(0))).toBeUndefined();
    state.revoked.add(nodeId);
    expect(book.add(ending(DAY_MS))).toBeUndefined();
    expect(book.size).toBe(0);
  });

  it("keeps the one that ends later, and knows which it has", () => {
    const { book } = makeBook();
    for (const notAfterMs of [DAY_MS, 3 * DAY_MS, 2 * DAY_MS]) book.add(ending(notAfterMs));
    expect(book.certificate(nodeId)).toEqual(new Uint8Array(ending(3 * DAY_MS)));
    expect(book.has(ending(3 * DAY_MS))).toBe(true);
    expect(book.has(ending(DAY_MS))).toBe(false);
    expect(book.size).toBe(1);
  });

  it("allows a grace after the end, in which the next one is fetched", () => {
    const { book, state } = makeBook();
    book.add(ending(DAY_MS));
    expect(book.ending()).toEqual([]);
    state.nowMs = DAY_MS + CERTIFICATE_GRACE_MS;
    expect(book.ending()).toEqual([nodeId]);
    expect(book.verify(signed())).toBe(true);
    state.nowMs++;
    expect(book.verify(signed())).toBe(false);
    book.add(ending(3 * DAY_MS));
    expect(book.verify(signed())).toBe(true);
  });

  it("believes nothing of a revoked key, whatever it has", () => {
    const { book, state } = makeBook();
    book.add(ending(DAY_MS));
    state.revoked.add(nodeId);
    expect(book.verify(signed())).toBe(false);
    expect(book.publicKey(nodeId)).toBeUndefined();
    expect(book.defer(signed(), id(9), 0)).toBe(false);
  });

  it("keeps one record for each node that has no certificate yet, the newest, for a while", () => {
    const { book } = makeBook();
    for (const incarnation of [5, 7, 6]) book.defer(signed({ incarnation }), id(9), 0);
    expect(book.pendingCount).toBe(1);
    expect(book.waiting(PENDING_RECORD_MS_MAX)).toHaveLength(1);
    expect(book.takePending(nodeId)?.record.incarnation).toBe(7);
    expect(book.takePending(nodeId)).toBeUndefined();
    book.defer(signed(), id(9), 0);
    expect(book.waiting(PENDING_RECORD_MS_MAX + 1)).toEqual([]);
    book.defer(signed(), id(9), 0);
    for (const pending of book.waiting(0)) pending.tries = CERTIFICATE_TRIES_MAX;
    expect(book.waiting(0)).toEqual([]);
  });

  it("has room for so many waiting records and no more", () => {
    const { book } = makeBook();
    for (let number = 0; number < PENDING_RECORDS_MAX; number++) {
      expect(book.defer(record(number, 0), id(1), 0)).toBe(true);
    }
    expect(book.defer(record(PENDING_RECORDS_MAX, 0), id(1), 0)).toBe(false);
    expect(book.defer({ ...record(3, 0), incarnation: 99 }, id(1), 0)).toBe(true);
    expect(book.pendingCount).toBe(PENDING_RECORDS_MAX);
  });
});
