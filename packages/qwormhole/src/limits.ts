/**
 * Every named maximum of this package, with its unit. What a link may hold for its peer follows
 * from these; the arithmetic stands at `LinkLimits`.
 */

/** Payload of HELLO, AUTH and READY, the only frames that an unverified peer may send. */
export const HANDSHAKE_PAYLOAD_BYTES_MAX = 16 * 1024;
/** Tags as JSON text in UTF-8. */
export const TAGS_BYTES_MAX = 8 * 1024;
export const PROTOCOL_NAME_BYTES_MAX = 64;
/** Frames that a peer may send before it is verified: HELLO, AUTH, READY, or ERR. */
export const HANDSHAKE_FRAMES_MAX = 4;
/** What a frame may carry above a message body: method name, deadline, error text. */
export const FRAME_OVERHEAD_BYTES_MAX = 128 * 1024;
/** No link accepts a larger message, whatever it is configured to. */
export const MESSAGE_BYTES_HARD_MAX = 16 << 20;
/** A channel number: a request or stream of one link. Wraps after this. */
export const CHANNEL_NUMBER_MAX = 0x7fff_ffff;
export const METHOD_BYTES_MAX = 255;
/** Opening bytes of a stream. */
export const STREAM_HEADER_BYTES_MAX = 64 * 1024;
export const ERROR_CODE_BYTES_MAX = 128;
export const ERROR_MESSAGE_BYTES_MAX = 4 * 1024;
export const ERROR_DETAILS_BYTES_MAX = 64 * 1024;
/** Longest deadline that travels; longer ones are cut (24 days, the range of a timer). */
export const DEADLINE_MS_MAX = 0x7fff_ffff;

/** Bytes that are handed to the channel as one write. */
export const WRITE_BYTES_TARGET = 64 * 1024;
/**
 * Requests and answers of one tick are written when they are this many bytes and none is on its
 * way.
 */
export const CALL_WRITE_BYTES_MIN = 4 * 1024;
/**
 * A stream frame has `WRITE_BYTES_TARGET` bytes; the last one may have up to this many more instead
 * of leaving them to a frame of their own.
 */
export const STREAM_TAIL_BYTES_MAX = 1024;
/**
 * Bytes that a socket is given ahead; above it, priorities would wait too long behind each other.
 */
export const CHANNEL_BUFFER_BYTES_MAX = 256 * 1024;
/** Payloads up to this size are copied beside their header; larger ones are passed by reference. */
export const COPY_BYTES_MAX = 8 * 1024;
/** A waiting lower priority gets a turn after this many bytes of higher ones. */
export const STARVATION_BYTES_MAX = 1 << 20;
/**
 * Received stream pieces below this size are packed together, so that they cannot hold big
 * buffers.
 */
export const STREAM_PIECE_BYTES_MIN = 4 * 1024;

/** Handshakes under way at one listener, and from one address. */
export const HALF_OPEN_MAX = 256;
export const HALF_OPEN_PER_ADDRESS_MAX = 32;
/** Links of one listener. */
export const LINKS_MAX = 4096;
/** Keys that the peers of one client or server may be pinned to. */
export const PINS_MAX = 256;

/** Levels of arrays and maps within each other in a CBOR value. */
export const CBOR_DEPTH_MAX = 64;
/**
 * Arrays, maps, byte strings and dates of a CBOR value together. On the wire one may have a single
 * byte; in memory it has 40 to 220 (measured), so this bounds them to 57 MB.
 */
export const CBOR_OBJECTS_MAX = 262_144;

/** A topic or pattern in UTF-8, and its words; they bound the depth of the tree of patterns. */
export const TOPIC_BYTES_MAX = 255;
export const TOPIC_WORDS_MAX = 16;
/**
 * Patterns that one peer may subscribe to. Each costs the other side up to 16 nodes of a tree
 * (measured: 4.5 KB when it shares no node, 0.3 KB for a usual one), so a peer can make it hold
 * about 5 MB; who needs more topics can take a wildcard.
 */
export const SUBSCRIPTIONS_PER_PEER_MAX = 1024;
/**
 * Subscriptions of all peers of one listener together: 64 peers at their limit, or 20 MB of usual
 * patterns.
 */
export const SUBSCRIPTIONS_MAX = 65_536;

/**
 * What one link may hold. A peer can make this side keep at most `streamsMax * streamBaseBytes +
 * unreadBytesMax` of stream bytes, `requestBytesMax` of request bodies and `queueBytesMax` of
 * answers.
 */
export interface LinkLimits {
  /** Body of a message, request or answer that this side accepts. */
  messageBytesMax: number;
  /** Credit that each stream of the peer has from its first byte. */
  streamBaseBytes: number;
  /**
   * Credit that a stream grows to while the link's budget `unreadBytesMax` lasts. It has to cover
   * what flows in a round trip and in the time that a busy machine keeps the reader waiting
   * (measured: with 1 MiB a bulk stream has three quarters of the speed of a bare socket when both
   * cores are taken).
   */
  streamWindowBytes: number;
  unreadBytesMax: number;
  /** Open streams, counted for each opener. */
  streamsMax: number;
  /** Requests of the peer that are under way here. */
  requestsMax: number;
  /** Bodies of those requests together. */
  requestBytesMax: number;
  /** Bytes waiting to be sent; beyond it, `QW_QUEUE_FULL`. */
  queueBytesMax: number;
  /** `send()` answers false above it; `drained()` waits until a quarter of it is left. */
  highWaterBytes: number;
}

export const LINK_LIMITS_DEFAULT: LinkLimits = {
  messageBytesMax: 1 << 20,
  streamBaseBytes: 256 * 1024,
  streamWindowBytes: 4 << 20,
  unreadBytesMax: 32 << 20,
  streamsMax: 256,
  requestsMax: 1024,
  requestBytesMax: 64 << 20,
  queueBytesMax: 64 << 20,
  highWaterBytes: 1 << 20,
};

/** Of the bytes that go along with a request; see `LinkTraces`. */
export const TRACE_BYTES_MAX = 64;
/** Of requests and streams that have not come yet; each is followed by its own at once. */
export const TRACES_WAITING_MAX = 16;
