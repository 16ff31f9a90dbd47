/**
 * The handshake as a pure machine: `stepHandshake(config, state, event)` answers the next state and
 * what is to be done. It reads no clock and no socket; `open-link.ts` performs the effects.
 *
 * Both sides run the same steps: say HELLO, get HELLO, prove the key with AUTH, check the peer's
 * AUTH, ask `verifyPeer`, say READY, get READY. A link is open when a side has said READY and got
 * READY, so neither delivers anything before both have verified.
 *
 * AUTH is a signature over the domain, the signer's role, SHA-256 of both HELLO payloads (each
 * holds a fresh nonce) and the channel binding. A captured one is useless later (nonces), on
 * another connection (binding), or sent back to its maker (role; and the own key is refused).
 *
 * Error contract: any breach leads to `failed` with one `fail` effect that holds a
 * `QWormholeError`; it is told to the peer by code. `failed` and `open` are final; later events
 * have no effect.
 */
import { createHash, type KeyObject } from "node:crypto";
import { QWormholeError } from "./errors.js";
import { FrameType, PayloadReader } from "./frames.js";
import { decodeHello, encodeHello, type Hello } from "./hello.js";
import { nodeIdOfPublicKey, readPublicKey, verifySignature } from "./keys.js";
import type { LinkIdentity, Peer } from "./link.js";
import { decodeWireError, fromWireError } from "./wire-error.js";

const LINK_VERSION_MIN = 1;
const LINK_VERSION_MAX = 1;
const DOMAIN = "qwormhole link handshake v1\0";

export type Side = "dialer" | "listener";

export interface HandshakeConfig {
  readonly side: Side;
  readonly identity: LinkIdentity;
  /** What this side says, but for the key, which comes from `identity`. */
  readonly hello: Omit<Hello, "publicKey" | "nodeId" | "versions" | "features">;
  /** `Channel.binding`. */
  readonly binding: Uint8Array;
  /** Leaf first; empty without TLS. */
  readonly peerCertificates: readonly Uint8Array[];
  /** SPKI in DER of the leaf, with TLS. */
  readonly certificateKey: Uint8Array | undefined;
  readonly remoteAddress: string;
  readonly expectedNodeId: string | undefined;
}

type VerifiedPeer = Omit<Peer, "identity">;

export type HandshakeState =
  | { readonly phase: "new" }
  | { readonly phase: "hello"; readonly own: Uint8Array }
  | {
      readonly phase: "auth";
      readonly own: Uint8Array;
      readonly theirs: Uint8Array;
      readonly hello: Hello;
      readonly key: KeyObject;
    }
  | { readonly phase: "verifying"; readonly hello: Hello; readonly peerReady: boolean }
  | { readonly phase: "ready"; readonly hello: Hello; readonly identity: unknown }
  | { readonly phase: "open" }
  | { readonly phase: "failed" };

export type HandshakeEvent =
  | { readonly type: "start" }
  | { readonly type: "frame"; readonly frame: number; readonly payload: Uint8Array }
  /** `verifyPeer` answered. */
  | { readonly type: "verified"; readonly identity: unknown }
  /** `verifyPeer` threw. */
  | { readonly type: "refused"; readonly cause: unknown }
  | { readonly type: "timeout" };

export type HandshakeEffect =
  | { readonly type: "send"; readonly frame: number; readonly payload: Uint8Array }
  /** Ask `verifyPeer`, then step with `verified` or `refused`. */
  | { readonly type: "verify"; readonly peer: VerifiedPeer }
  | { readonly type: "open"; readonly peer: Peer; readonly hello: Hello }
  /** End the channel; tell the peer the code first unless the peer itself broke off. */
  | { readonly type: "fail"; readonly error: QWormholeError; readonly tellPeer: boolean };

export interface HandshakeStep {
  readonly state: HandshakeState;
  readonly effects: readonly HandshakeEffect[];
}

export function stepHandshake(
  config: HandshakeConfig,
  state: HandshakeState,
  event: HandshakeEvent,
): HandshakeStep {
  if (state.phase === "open" || state.phase === "failed") return { state, effects: [] };
  try {
    return advance(config, state, event);
  } catch (error) {
    if (error instanceof QWormholeError) return failed(error, error.code !== "QW_REFUSED_BY_PEER");
    throw error;
  }
}

/** An error of this package says by itself why; any other is the cause of a refusal. */
function refusal(cause: unknown): QWormholeError {
  if (cause instanceof QWormholeError) return cause;
  return new QWormholeError("QW_PEER_REFUSED", { cause });
}

function failed(error: QWormholeError, tellPeer = true): HandshakeStep {
  return { state: { phase: "failed" }, effects: [{ type: "fail", error, tellPeer }] };
}

function advance(
  config: HandshakeConfig,
  state: HandshakeState,
  event: HandshakeEvent,
): HandshakeStep {
  switch (event.type) {
    case "start":
      return state.phase === "new" ? start(config) : { state, effects: [] };
    case "timeout":
      return failed(new QWormholeError("QW_HANDSHAKE_TIMEOUT"));
    case "refused":
      return failed(refusal(event.cause));
    case "verified":
      return state.phase === "verifying"
        ? verified(config, state, event.identity)
        : { state, effects: [] };
    case "frame":
      return onFrame(config, state, event.frame, event.payload);
  }
}

function start(config: HandshakeConfig): HandshakeStep {
  const own = encodeHello({
    ...config.hello,
    versions: [LINK_VERSION_MIN, LINK_VERSION_MAX],
    nodeId: nodeIdOfPublicKey(config.identity.publicKey),
    publicKey: config.identity.publicKey,
    features: [],
  });
  return {
    state: { phase: "hello", own },
    effects: [{ type: "send", frame: FrameType.HELLO, payload: own }],
  };
}

function onFrame(
  config: HandshakeConfig,
  state: HandshakeState,
  frame: number,
  payload: Uint8Array,
): HandshakeStep {
  if (frame === FrameType.ERR) {
    const told = decodeWireError(new PayloadReader(payload, 0, payload.length));
    throw fromWireError("QW_REFUSED_BY_PEER", told);
  }
  if (frame === FrameType.HELLO && state.phase === "hello") {
    return onHello(config, state.own, payload);
  }
  if (frame === FrameType.AUTH && state.phase === "auth") return onAuth(config, state, payload);
  if (frame === FrameType.READY && state.phase === "verifying" && !state.peerReady) {
    return { state: { ...state, peerReady: true }, effects: [] };
  }
  if (frame === FrameType.READY && state.phase === "ready") {
    return open(config, state.hello, state.identity, []);
  }
  const message = `frame 0x${frame.toString(16)} does not belong at this point of the handshake`;
  throw new QWormholeError("QW_HANDSHAKE_INVALID", { message });
}

function onHello(config: HandshakeConfig, own: Uint8Array, payload: Uint8Array): HandshakeStep {
  const theirs = Uint8Array.from(payload);
  const hello = decodeHello(theirs);
  if (hello.versions[0] > LINK_VERSION_MAX || hello.versions[1] < LINK_VERSION_MIN) {
    const own = `${LINK_VERSION_MIN} to ${LINK_VERSION_MAX}`;
    const message = `the peer speaks link versions ${hello.versions.join(" to ")}, not ${own}`;
    throw new QWormholeError("QW_VERSION_UNSUPPORTED", { message });
  }
  if (hello.protocol !== config.hello.protocol) throw new QWormholeError("QW_PROTOCOL_MISMATCH");
  const key = readPublicKey(hello.publicKey);
  if (hello.nodeId !== nodeIdOfPublicKey(hello.publicKey)) {
    throw new QWormholeError("QW_HANDSHAKE_INVALID", {
      message: "the node id is not the hash of the key",
    });
  }
  if (Buffer.compare(hello.publicKey, config.identity.publicKey) === 0) {
    throw new QWormholeError("QW_SELF_CONNECT");
  }
  const { certificateKey, expectedNodeId } = config;
  if (certificateKey !== undefined && Buffer.compare(certificateKey, hello.publicKey) !== 0) {
    throw new QWormholeError("QW_KEY_MISMATCH");
  }
  if (expectedNodeId !== undefined && hello.nodeId !== expectedNodeId) {
    const message = `node ${hello.nodeId} answered where ${expectedNodeId} was expected`;
    throw new QWormholeError("QW_UNEXPECTED_PEER", { message });
  }
  const signature = config.identity.sign(transcript(config, config.side, own, theirs));
  return {
    state: { phase: "auth", own, theirs, hello, key },
    effects: [{ type: "send", frame: FrameType.AUTH, payload: signature }],
  };
}

function onAuth(
  config: HandshakeConfig,
  state: Extract<HandshakeState, { phase: "auth" }>,
  signature: Uint8Array,
): HandshakeStep {
  const { own, theirs, hello, key } = state;
  const signer: Side = config.side === "dialer" ? "listener" : "dialer";
  if (!verifySignature(key, transcript(config, signer, own, theirs), signature)) {
    throw new QWormholeError("QW_SIGNATURE_INVALID");
  }
  return {
    state: { phase: "verifying", hello, peerReady: false },
    effects: [{ type: "verify", peer: peerOf(config, hello) }],
  };
}

function verified(
  config: HandshakeConfig,
  state: Extract<HandshakeState, { phase: "verifying" }>,
  identity: unknown,
): HandshakeStep {
  const ready: HandshakeEffect = {
    type: "send",
    frame: FrameType.READY,
    payload: new Uint8Array(0),
  };
  if (state.peerReady) return open(config, state.hello, identity, [ready]);
  return { state: { phase: "ready", hello: state.hello, identity }, effects: [ready] };
}

function open(
  config: HandshakeConfig,
  hello: Hello,
  identity: unknown,
  before: readonly HandshakeEffect[],
): HandshakeStep {
  const peer: Peer = { ...peerOf(config, hello), identity };
  return { state: { phase: "open" }, effects: [...before, { type: "open", peer, hello }] };
}

function peerOf(config: HandshakeConfig, hello: Hello): VerifiedPeer {
  return {
    nodeId: hello.nodeId,
    publicKey: hello.publicKey,
    certificates: config.peerCertificates,
    tags: hello.tags,
    remoteAddress: config.remoteAddress,
  };
}

/** The bytes that `signer` signs. `own` and `theirs` are HELLO payloads as this side sees them. */
function transcript(
  config: HandshakeConfig,
  signer: Side,
  own: Uint8Array,
  theirs: Uint8Array,
): Uint8Array {
  const [dialer, listener] = config.side === "dialer" ? [own, theirs] : [theirs, own];
  return Buffer.concat([
    Buffer.from(DOMAIN),
    Uint8Array.of(signer === "dialer" ? 1 : 2),
    createHash("sha256").update(dialer).digest(),
    createHash("sha256").update(listener).digest(),
    config.binding,
  ]);
}
