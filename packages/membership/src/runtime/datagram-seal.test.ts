import { generateKeyPair, publicKeyDerOf } from "@hearthmesh/identity";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DATAGRAM_BYTES_MAX, PLAIN_DATAGRAM_BYTES_MAX, SEAL_BYTES } from "../limits.js";
import { codeOf } from "../testing/wire-fixtures.js";
import { DatagramSealer, type SealPeer, shortIdOf } from "./datagram-seal.js";
import { REPLAY_WINDOW_COUNTERS } from "./limits.js";
import { ReplayWindow } from "./replay-window.js";

const KEYS = [generateKeyPair(), generateKeyPair(), generateKeyPair()] as const;

interface Life {
  readonly sealer: DatagramSealer;
  readonly peer: SealPeer;
}

function life(number: 0 | 1 | 2, bootByte = number + 1): Life {
  const { nodeId, privateKeyPem, publicKeyPem } = KEYS[number];
  const boot = new Uint8Array(8).fill(bootByte);
  const publicKey = publicKeyDerOf(publicKeyPem);
  return {
    sealer: new DatagramSealer({ nodeId, privateKeyPem, boot }),
    peer: { nodeId, publicKey, boot },
  };
}

/** The plain bytes, or why not. */
function open(to: Life, bytes: Uint8Array, ...known: Life[]): Uint8Array | string {
  const head = to.sealer.inspect(
    bytes,
    (shortId) => known.find(({ peer }) => shortIdOf(peer.nodeId) === shortId)?.peer,
  );
  return typeof head === "string" ? head : to.sealer.open(bytes, head);
}

const HELLO = Buffer.from("who is here");

describe("a sealed datagram", () => {
  it("is opened by whom it is for, once", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: PLAIN_DATAGRAM_BYTES_MAX }), (plain) => {
        const [a, b] = [life(0), life(1)];
        const bytes = a.sealer.seal(b.peer, plain);
        expect(bytes.length).toBe(plain.length + SEAL_BYTES);
        expect(bytes.length).toBeLessThanOrEqual(DATAGRAM_BYTES_MAX);
        expect(Buffer.compare(open(b, bytes, a) as Uint8Array, plain)).toBe(0);
        expect(open(b, bytes, a)).toBe("replayed");
      }),
      { numRuns: 30 },
    );
  });

  it("shows nothing of what is in it, and no two are alike", () => {
    const [a, b] = [life(0), life(1)];
    const [first, second] = [a.sealer.seal(b.peer, HELLO), a.sealer.seal(b.peer, HELLO)];
    expect(Buffer.from(first).includes(HELLO)).toBe(false);
    expect(first.subarray(24)).not.toEqual(second.subarray(24));
  });

  it("is not opened after any one bit of it was changed", () => {
    const [a, b] = [life(0), life(1)];
    const bytes = a.sealer.seal(b.peer, HELLO);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = Uint8Array.from(bytes);
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(typeof open(b, damaged, a)).toBe("string");
    }
    expect(open(b, bytes, a)).toEqual(HELLO);
  });

  it("says why it is not opened", () => {
    const [a, b, c] = [life(0), life(1), life(2)];
    const bytes = a.sealer.seal(b.peer, HELLO);
    expect(open(b, bytes)).toBe("stranger");
    expect(open(c, bytes, a)).toBe("other-life");
    expect(open(life(1, 77), bytes, a)).toBe("other-life");
    expect(open(b, bytes, life(0, 77))).toBe("other-life");
    expect(open(b, bytes.subarray(0, SEAL_BYTES - 1), a)).toBe("malformed");
    expect(open(b, new Uint8Array(DATAGRAM_BYTES_MAX + 1), a)).toBe("malformed");
    // Who knows the head alone has not the key.
    expect(open(b, Buffer.concat([bytes.subarray(0, 24), new Uint8Array(30)]), a)).toBe("forged");
  });

  it("goes in one direction: it does not come back as the other's", () => {
    const [a, b] = [life(0), life(1)];
    const bytes = Buffer.from(a.sealer.seal(b.peer, HELLO));
    const back = Buffer.from(b.sealer.seal(a.peer, HELLO));
    bytes.copy(back, 24, 24);
    expect(open(a, back, b)).toBe("forged");
  });

  it("never repeats a counter, whoever it is for", () => {
    const [a, b, c] = [life(0), life(1), life(2)];
    const counters = [b, c, b, c].map(({ peer }) =>
      Buffer.from(a.sealer.seal(peer, HELLO)).readUIntBE(18, 6),
    );
    expect(counters).toEqual([0, 1, 2, 3]);
    a.sealer.forget(b.peer.nodeId);
    expect(open(b, a.sealer.seal(b.peer, HELLO), a)).toEqual(HELLO);
  });

  it("is taken in any order, and a forged one closes no place", () => {
    const [a, b] = [life(0), life(1)];
    const sent = Array.from({ length: 6 }, () => a.sealer.seal(b.peer, HELLO));
    const forged = Buffer.from(sent[5] as Uint8Array);
    forged.writeUIntBE(2 ** 40, 18, 6);
    expect(open(b, forged, a)).toBe("forged");
    for (const at of [3, 0, 5, 1, 4, 2]) expect(open(b, sent[at] as Uint8Array, a)).toEqual(HELLO);
    for (const bytes of sent) expect(open(b, bytes, a)).toBe("replayed");
  });

  it("is remembered when its sender is forgotten and comes back", () => {
    const [a, b] = [life(0), life(1)];
    const bytes = a.sealer.seal(b.peer, HELLO);
    open(b, bytes, a);
    b.sealer.forget(a.peer.nodeId);
    expect(open(b, bytes, a)).toBe("replayed");
  });

  it("has a limit, and is not made for a key that is none", () => {
    const [a, b] = [life(0), life(1)];
    const large = new Uint8Array(PLAIN_DATAGRAM_BYTES_MAX + 1);
    expect(codeOf(() => a.sealer.seal(b.peer, large))).toBe("MESH_LIMIT");
    const keyless = { ...b.peer, publicKey: new Uint8Array(91) };
    expect(codeOf(() => a.sealer.seal(keyless, HELLO))).toBe("MESH_CERT_INVALID");
  });

  it("is none, for any other bytes, without an error", () => {
    const [a, b] = [life(0), life(1)];
    const any = fc.uint8Array({ maxLength: 200 });
    fc.assert(fc.property(any, (bytes) => typeof open(b, bytes, a) === "string"));
  });
});

describe("the window of replays", () => {
  it("is as a set that forgets what is far behind", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(3 * REPLAY_WINDOW_COUNTERS), { maxLength: 200 }), (counters) => {
        const window = new ReplayWindow();
        const seen = new Set<number>();
        let highest = -1;
        for (const counter of counters) {
          const isOld = counter <= highest - REPLAY_WINDOW_COUNTERS;
          expect(window.isNew(counter)).toBe(!isOld && !seen.has(counter));
          if (isOld || seen.has(counter)) continue;
          window.add(counter);
          seen.add(counter);
          highest = Math.max(highest, counter);
        }
      }),
    );
  });

  it("takes the largest counter that there is", () => {
    const window = new ReplayWindow();
    window.add(3);
    window.add(2 ** 48 - 1);
    expect(window.isNew(3)).toBe(false);
    expect(window.isNew(2 ** 48 - 2)).toBe(true);
  });
});
