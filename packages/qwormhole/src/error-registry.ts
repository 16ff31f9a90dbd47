/**
 * Everything that can go wrong in this package. A code is never reused for another meaning. `doc`
 * says when it happens, `hint` what to do about it.
 */
export interface QWormholeErrorDefinition {
  readonly doc: string;
  readonly hint: string;
}

const define = (doc: string, hint: string): QWormholeErrorDefinition => ({ doc, hint });

const reaching = {
  QW_OPTIONS_INVALID: define("an option has a value that cannot work", "Correct the option."),
  QW_ADDRESS_IN_USE: define(
    "another program listens on this address",
    "Choose another port, or stop the program that uses it.",
  ),
  QW_LISTEN_FAILED: define(
    "the address cannot be listened on",
    "Check that the address belongs to this machine and that the port is allowed.",
  ),
  QW_DIAL_REFUSED: define(
    "nobody listens at the address",
    "Check the address and that the peer runs.",
  ),
  QW_DIAL_TIMEOUT: define(
    "the peer did not answer the dial in time",
    "Check the address, the network and firewalls.",
  ),
  QW_DIAL_FAILED: define("the peer cannot be reached", "Check the address and the network."),
  QW_TLS_FAILED: define(
    "the TLS handshake failed: a certificate was not accepted, or the peer lacks TLS 1.3",
    "Check that both certificates are valid now and signed by an authority the other side trusts.",
  ),
  QW_INSECURE_REFUSED: define(
    "plain TCP was asked for an address where the caller did not allow it",
    "Use the TLS transport, or say `insecure` when the network itself is encrypted.",
  ),
  QW_CONNECTIONS_LIMIT: define(
    "too many connections are waiting for their handshake, in all or from one address",
    "Wait and dial again.",
  ),
  QW_INTERFACE_NOT_FOUND: define(
    "the network interface is not there, or has no address of the family that is needed",
    "Check its name, and that the tunnel is up; it is looked for again at each dial.",
  ),
  QW_PEER_OUTSIDE_NETWORK: define(
    "the peer's address does not lie in the network of the interface",
    "Check the address, or name the networks behind the interface in `interfaceNetworks`.",
  ),
} as const;

const handshake = {
  QW_NOT_A_LINK: define(
    "the first bytes are not those of this protocol",
    "Check that the address is the link port of a node.",
  ),
  QW_HANDSHAKE_TIMEOUT: define("the handshake was not finished in time", "Dial again."),
  QW_HANDSHAKE_INVALID: define(
    "the peer broke the rules of the handshake",
    "Update the older of both sides; when they are of one version, report it.",
  ),
  QW_VERSION_UNSUPPORTED: define("no version is common to both sides", "Update the older side."),
  QW_PROTOCOL_MISMATCH: define(
    "the peer speaks another application protocol",
    "Check the address; the peer is another kind of program.",
  ),
  QW_TAGS_INVALID: define(
    "the tags are not a JSON object of at most 8 KiB",
    "Send less, or send it as a message after the handshake.",
  ),
  QW_SIGNATURE_INVALID: define(
    "the peer could not prove its key for this very connection",
    "Someone may be in between; check the network and the peer's key.",
  ),
  QW_KEY_UNSUPPORTED: define(
    "the key is neither Ed25519 nor ECDSA P-256 in its standard encoding",
    "Make a key of one of these kinds.",
  ),
  QW_KEY_MISMATCH: define(
    "the key in the handshake is not the key of the certificate",
    "Hand the same key to the TLS credentials and to the link identity.",
  ),
  QW_UNEXPECTED_PEER: define(
    "another node than the expected one answered",
    "The address may have gone to another machine; look the node up again.",
  ),
  QW_PEER_NOT_PINNED: define(
    "the peer's key is none of those that are pinned",
    "Check whom the address belongs to; when the peer has a new key, pin that one.",
  ),
  QW_SELF_CONNECT: define("the address leads back to this node", "Leave out the own address."),
  QW_PEER_REFUSED: define("this side refused the peer", "The cause says why."),
  QW_REFUSED_BY_PEER: define("the peer refused this side", "`remoteCode` says why."),
} as const;

const frames = {
  QW_FRAME_TOO_LARGE: define(
    "a frame claims more bytes than the limit allows",
    "The link was closed; report the peer's version.",
  ),
  QW_FRAME_INVALID: define(
    "a frame is not of a known form",
    "The link was closed; report the peer's version.",
  ),
  QW_WINDOW_VIOLATED: define(
    "the peer sent more stream bytes than it had credit for",
    "The link was closed; report the peer's version.",
  ),
  QW_MESSAGE_TOO_LARGE: define(
    "the message is larger than the receiver accepts",
    "Send it by a stream.",
  ),
  QW_MESSAGE_INVALID: define(
    "a message is not of the form that was agreed on",
    "Let both sides use the same serializer, or none.",
  ),
  QW_QUEUE_FULL: define(
    "the peer takes bytes slower than they are sent and the queue is full",
    "Wait for `drained()`, or send less.",
  ),
} as const;

const calls = {
  QW_NO_HANDLER: define("this side serves no requests or no streams", "Check the peer's roles."),
  QW_HANDLER_FAILED: define(
    "the handler threw an error without a code",
    "Look at the log of the side that serves it.",
  ),
  QW_REMOTE_ERROR: define("the peer answered with an error", "See `remoteCode`."),
  QW_REQUEST_LIMIT: define(
    "too many requests are open, or they hold too many bytes",
    "Wait for answers before asking more.",
  ),
  QW_REQUEST_TIMEOUT: define(
    "no answer came before the deadline",
    "Try again, or allow more time.",
  ),
  QW_CANCELLED: define("the caller cancelled", "Nothing needs to be done."),
  QW_STREAM_LIMIT: define("too many streams are open on the link", "Finish some streams first."),
  QW_STREAM_RESET: define(
    "one side broke the stream off",
    "`remoteCode` says why, when it was the peer.",
  ),
  QW_STREAM_ENDED: define("bytes were written after the end of a stream", "Write before `end()`."),
  QW_TOPIC_INVALID: define(
    "a topic or pattern is not of the known form",
    "Use 1 to 16 words with dots between them, 255 bytes at most; `*` and a last `>` in patterns.",
  ),
  QW_TOPIC_REFUSED: define(
    "the other side does not allow this topic",
    "Ask the operator of the other side to allow it.",
  ),
  QW_SUBSCRIPTION_LIMIT: define(
    "too many subscriptions are open",
    "End some subscriptions, or use a pattern that covers several topics.",
  ),
} as const;

const life = {
  QW_NOT_CONNECTED: define(
    "there is no connection at the moment",
    'Wait for `connect`, or let messages wait: `whileDisconnected: "queue"`.',
  ),
  QW_RECONNECT_GIVEN_UP: define(
    "the peer was not reached in as many attempts as were allowed",
    "The cause says why the last attempt failed; `maxAttempts: 0` never gives up.",
  ),
  QW_LINK_CLOSING: define("the link takes nothing new because it is closing", "Use a new link."),
  QW_LINK_CLOSED: define("the link was closed", "Use a new link."),
  QW_LINK_LOST: define(
    "the connection broke; what was under way may or may not have been done",
    "Use a new link; ask again only what may be done twice.",
  ),
  QW_PEER_DEAD: define("the peer has been silent for too long", "Use a new link."),
} as const;

export const QWORMHOLE_ERRORS = {
  ...reaching,
  ...handshake,
  ...frames,
  ...calls,
  ...life,
} as const satisfies Record<string, QWormholeErrorDefinition>;

export type QWormholeErrorCode = keyof typeof QWORMHOLE_ERRORS;
