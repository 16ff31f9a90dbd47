import { beforeAll, describe, expect, it } from "vitest";
import { FrameType } from "./frames.js";
import {
  type HandshakeConfig,
  type HandshakeEffect,
  type HandshakeEvent,
  type HandshakeState,
  type Side,
  stepHandshake,
} from "./handshake.js";
import type { LinkIdentity } from "./link.js";
import { testIdentity } from "./testing/index.js";
import { encodeWireError } from "./wire-error.js";

let alice: LinkIdentity;
let bob: LinkIdentity;
let mallory: LinkIdentity;
beforeAll(() => {
  alice = testIdentity("p256");
  bob = testIdentity("ed25519");
  mallory = testIdentity("p256");
});

let nonceByte = 1;
function config(
  side: Side,
  identity: LinkIdentity,
  changes: Partial<HandshakeConfig> & { protocol?: string; tags?: Record<string, unknown> } = {},
): HandshakeConfig {
  const { protocol = "test/1", tags = {}, ...rest } = changes;
  return {
    side,
    identity,
    hello: {
      protocol,
      nonce: new Uint8Array(32).fill(nonceByte++),
      tags,
      messageBytesMax: 1000,
      streamBaseBytes: 1000,
      streamsMax: 10,
      requestsMax: 10,
    },
    binding: new Uint8Array(32).fill(7),
    peerCertificates: [],
    certificateKey: undefined,
    remoteAddress: "somewhere:1",
    expectedNodeId: undefined,
    ...rest,
  };
}

/** One machine; keeps what it says until it is taken. */
class Party {
  state: HandshakeState = { phase: "new" };
  said: { frame: number; payload: Uint8Array }[] = [];
  effects: HandshakeEffect[] = [];
  constructor(
    readonly config: HandshakeConfig,
    readonly accepts = true,
  ) {}

  step(event: HandshakeEvent): void {
    const { state, effects } = stepHandshake(this.config, this.state, event);
    this.state = state;
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.type === "send") this.said.push(effect);
      if (effect.type !== "verify") continue;
      if (this.accepts) this.step({ type: "verified", identity: `checked ${effect.peer.nodeId}` });
      else this.step({ type: "refused", cause: new Error("not you") });
    }
  }

  hear(frame: number, payload: Uint8Array): void {
    this.step({ type: "frame", frame, payload });
  }

  take(): { frame: number; payload: Uint8Array }[] {
    return this.said.splice(0);
  }

  get failure(): string | undefined {
    const failed = this.effects.find((effect) => effect.type === "fail");
    return failed?.type === "fail" ? failed.error.code : undefined;
  }

  get peer() {
    const open = this.effects.find((effect) => effect.type === "open");
    return open?.type === "open" ? open.peer : undefined;
  }
}

/** Carries what both say until nobody says more. */
function talk(a: Party, b: Party): void {
  a.step({ type: "start" });
  b.step({ type: "start" });
  for (let round = 0; round < 10; round++) {
    for (const { frame, payload } of a.take()) b.hear(frame, payload);
    for (const { frame, payload } of b.take()) a.hear(frame, payload);
  }
}

describe("handshake", () => {
  it("opens both sides with the verified peer, for both kinds of key", () => {
    const a = new Party(config("dialer", alice, { tags: { roles: ["gateway", 1] } }));
    const b = new Party(config("listener", bob, { tags: { site: "attic" } }));
    talk(a, b);
    expect(a.peer).toMatchObject({ tags: { site: "attic" }, remoteAddress: "somewhere:1" });
    expect(b.peer?.tags).toEqual({ roles: ["gateway", 1] });
    expect(Buffer.from(a.peer?.publicKey ?? [])).toEqual(Buffer.from(bob.publicKey));
    expect(b.peer?.identity).toBe(`checked ${b.peer?.nodeId}`);
    expect(a.peer?.nodeId).toMatch(/^[a-z2-7]{52}$/);
  });

  it("does not open before the peer has verified too", () => {
    const a = new Party(config("dialer", alice));
    const b = new Party(config("listener", bob), false);
    talk(a, b);
    expect(b.failure).toBe("QW_PEER_REFUSED");
    expect(a.state.phase).toBe("ready");
    expect(a.peer).toBeUndefined();
  });

  it("refuses a handshake that was captured on another connection", () => {
    const honest = new Party(config("dialer", alice));
    const first = new Party(config("listener", bob));
    honest.step({ type: "start" });
    first.step({ type: "start" });
    const hello = honest.take()[0]!;
    for (const { frame, payload } of first.take()) honest.hear(frame, payload);
    const auth = honest.take()[0]!;
    // The same listener, later: its nonce is another.
    const later = new Party(config("listener", bob));
    later.step({ type: "start" });
    later.hear(hello.frame, hello.payload);
    later.hear(auth.frame, auth.payload);
    expect(later.failure).toBe("QW_SIGNATURE_INVALID");
  });

  it("refuses a handshake that someone in between passes on", () => {
    const a = new Party(config("dialer", alice, { binding: new Uint8Array(32).fill(1) }));
    const b = new Party(config("listener", bob, { binding: new Uint8Array(32).fill(2) }));
    talk(a, b);
    expect(a.failure).toBe("QW_SIGNATURE_INVALID");
    expect(b.failure).toBe("QW_SIGNATURE_INVALID");
  });

  it("refuses its own words sent back", () => {
    const a = new Party(config("dialer", alice));
    a.step({ type: "start" });
    const { frame, payload } = a.take()[0]!;
    a.hear(frame, payload);
    expect(a.failure).toBe("QW_SELF_CONNECT");
  });

  it("refuses a signature that was made in the other role", () => {
    const a = new Party(config("dialer", alice));
    const b = new Party(config("dialer", bob));
    talk(a, b);
    expect(a.failure).toBe("QW_SIGNATURE_INVALID");
  });

  it("refuses a key that the peer cannot sign with", () => {
    const thief: LinkIdentity = { publicKey: bob.publicKey, sign: mallory.sign };
    const a = new Party(config("dialer", alice));
    const b = new Party(config("listener", thief));
    talk(a, b);
    expect(a.failure).toBe("QW_SIGNATURE_INVALID");
  });

  it("refuses a HELLO that was changed on the way", () => {
    const a = new Party(config("dialer", alice));
    const b = new Party(config("listener", bob, { tags: { role: "guest" } }));
    a.step({ type: "start" });
    b.step({ type: "start" });
    const changed = Buffer.from(b.take()[0]!.payload).toString().replace("guest", "admin");
    for (const { frame, payload } of a.take()) b.hear(frame, payload);
    a.hear(FrameType.HELLO, Buffer.from(changed));
    for (const { frame, payload } of b.take()) a.hear(frame, payload);
    expect(a.failure).toBe("QW_SIGNATURE_INVALID");
  });

  it.each<[string, Partial<HandshakeConfig> & { protocol?: string }, string]>([
    ["another application protocol", { protocol: "other/1" }, "QW_PROTOCOL_MISMATCH"],
    ["another node than expected", { expectedNodeId: "a".repeat(52) }, "QW_UNEXPECTED_PEER"],
    [
      "a key that is not the certificate's",
      { certificateKey: new Uint8Array(44) },
      "QW_KEY_MISMATCH",
    ],
  ])("refuses %s", (_name, changes, code) => {
    const a = new Party(config("dialer", alice, changes));
    const b = new Party(config("listener", bob));
    talk(a, b);
    expect(a.failure).toBe(code);
  });

  it.each([
    ["other versions", { versions: [2, 3] }, "QW_VERSION_UNSUPPORTED"],
    ["versions upside down", { versions: [3, 1] }, "QW_HANDSHAKE_INVALID"],
    ["a node id that is not the key's", { nodeId: "b".repeat(52) }, "QW_HANDSHAKE_INVALID"],
    ["a short nonce", { nonce: "AAAA" }, "QW_HANDSHAKE_INVALID"],
    ["a key of another kind", { publicKey: "AAAA" }, "QW_KEY_UNSUPPORTED"],
    ["tags that are no object", { tags: [1] }, "QW_TAGS_INVALID"],
    ["tags beyond 8 KiB", { tags: { a: "x".repeat(9000) } }, "QW_TAGS_INVALID"],
    ["a limit that is no number", { messageBytesMax: "1" }, "QW_HANDSHAKE_INVALID"],
    ["a missing member", { features: undefined }, "QW_HANDSHAKE_INVALID"],
  ])("refuses a HELLO with %s", (_name, changes, code) => {
    const a = new Party(config("dialer", alice));
    const b = new Party(config("listener", bob));
    a.step({ type: "start" });
    b.step({ type: "start" });
    const hello = JSON.parse(Buffer.from(b.take()[0]!.payload).toString());
    a.hear(FrameType.HELLO, Buffer.from(JSON.stringify({ ...hello, ...changes })));
    expect(a.failure).toBe(code);
    expect(a.take()).toHaveLength(1);
  });

  it("refuses own tags that are too long before it says anything", () => {
    const a = new Party(config("dialer", alice, { tags: { text: "x".repeat(9000) } }));
    a.step({ type: "start" });
    expect(a.failure).toBe("QW_TAGS_INVALID");
    expect(a.said).toEqual([]);
  });

  it.each([
    FrameType.REQ,
    FrameType.DATA,
    FrameType.AUTH,
    FrameType.READY,
    FrameType.PING,
    FrameType.STREAM_OPEN,
  ])("refuses frame type %i before HELLO", (frame) => {
    const a = new Party(config("listener", alice));
    a.step({ type: "start" });
    a.hear(frame, new Uint8Array(8));
    expect(a.failure).toBe("QW_HANDSHAKE_INVALID");
  });

  it("tells the reason that the peer gave, and does not answer it", () => {
    const a = new Party(config("dialer", alice));
    a.step({ type: "start" });
    const told = { code: "MESH_REVOKED", message: "revoked", details: new Uint8Array(0) };
    a.hear(FrameType.ERR, encodeWireError(told));
    const failed = a.effects.at(-1);
    expect(failed).toMatchObject({
      type: "fail",
      tellPeer: false,
      error: { code: "QW_REFUSED_BY_PEER", remoteCode: "MESH_REVOKED", message: "revoked" },
    });
  });

  it("ends by its timeout, and takes no event after its end", () => {
    const a = new Party(config("dialer", alice));
    a.step({ type: "start" });
    a.step({ type: "timeout" });
    expect(a.failure).toBe("QW_HANDSHAKE_TIMEOUT");
    const before = a.effects.length;
    a.step({ type: "timeout" });
    a.hear(FrameType.HELLO, new Uint8Array(3));
    expect(a.effects).toHaveLength(before);
  });
});
