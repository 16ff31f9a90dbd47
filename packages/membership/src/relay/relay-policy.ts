/** What an operator allows others to send through this node. 0 is no limit, in every field. */
import { MeshError } from "@hearthmesh/core";

export interface RelayPolicy {
  /** False: nothing is passed on. What ends at this node itself is taken all the same. */
  readonly enabled: boolean;
  /** Streams that are open at once, in all and of one neighbour. */
  readonly streamsMax: number;
  readonly streamsPerPeerMax: number;
  /** Bytes a second, both directions together, in all and of one neighbour. */
  readonly bytesPerSecMax: number;
  readonly bytesPerSecPerPeerMax: number;
  /** Bytes of one stream, both directions together. */
  readonly streamBytesMax: number;
  /** Life of one stream, in milliseconds. */
  readonly streamMsMax: number;
  /** A stream on which nothing has moved for this long is closed. */
  readonly idleMsMax: number;
}

export const RELAY_POLICY_DEFAULT: RelayPolicy = {
  enabled: true,
  streamsMax: 1024,
  streamsPerPeerMax: 128,
  bytesPerSecMax: 0,
  bytesPerSecPerPeerMax: 0,
  streamBytesMax: 0,
  streamMsMax: 0,
  // A relayed link pings every 5 s, so a stream that is silent for minutes is a dead one.
  idleMsMax: 300_000,
};

/** Throws `MESH_CONFIG_INVALID`. */
export function checkedRelayPolicy(policy: RelayPolicy): RelayPolicy {
  const { enabled: _, ...numbers } = policy;
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    const message = `the limit \`${name}\` of the relay is ${value}; it has to be 0 or above`;
    throw new MeshError("MESH_CONFIG_INVALID", { message });
  }
  return policy;
}
