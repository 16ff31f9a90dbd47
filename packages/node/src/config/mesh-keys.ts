/** The keys of the mesh: who finds whom, hubs, relays, membership. */
import { limits } from "@hearthmesh/core";
import { z } from "zod";
import { duration, flag, host, key, list, port, size, whole } from "./key-forms.js";

export const capabilities = z.preprocess(
  (value) => (typeof value === "string" ? value.split(",").map((item) => item.trim()) : value),
  z
    .array(z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$/, "use a-z, 0-9 and -"))
    .max(limits.CAPABILITIES_MAX),
);

export const MESH_KEYS = {
  "mesh.enabled": key(
    z.preprocess(
      (value) => (typeof value === "boolean" ? String(value) : value),
      z.enum(["auto", "true", "false"]),
    ),
    "auto",
    "mesh",
    ["MESH_ENABLED"],
    "auto: the nodes of this member find each other. true: nodes of others may be introduced " +
      "too, and port 3000 answers other machines that have an API key. false: no discovery at all.",
  ),
  "mesh.hubs": key(
    list,
    "",
    "hub",
    ["MESH_HUB"],
    "Hubs to dial out to and stay connected with, best first: https://host[:port] of a " +
      "coordinator's enrolment port (443, then 9001, when there is none), or host:port of links.",
  ),
  "mesh.token": {
    ...key(
      z.string().min(8).max(limits.INVITE_TEXT_BYTES_MAX),
      "",
      "",
      ["MESH_TOKEN"],
      "Invite with which a machine that is no node yet joins the hub's member when it starts: " +
        "`mesh invite generate --node`.",
    ),
    isSecret: true,
  },
  "mesh.tokenFile": key(
    z.string().min(1),
    "",
    "token-file",
    ["MESH_TOKEN_FILE"],
    "File that holds such an invite, as `enrolment.nodeInviteFile` of a coordinator writes it. " +
      "A machine that is no node yet waits for the file and for the coordinator.",
  ),
  "mesh.peers": key(
    list,
    "",
    "peer",
    ["MESH_PEERS"],
    "Link addresses of other nodes, host:port, that are tried beside what discovery finds.",
  ),
  "mesh.serveAsHub": key(
    flag,
    "",
    "serve-as-hub",
    ["MESH_SERVE_AS_HUB"],
    "Whether others keep a link to this node, whatever else they reach. Default: a coordinator.",
  ),
  "mesh.profile": key(
    z.enum(["lan", "wan", "loopback"]),
    "lan",
    "profile",
    ["MESH_PROFILE"],
    "Times of the failure detector: lan knows of a crash within 3 s, wan within 10 s.",
  ),
  "beacon.enabled": key(
    flag,
    "true",
    "beacon",
    ["MESH_BEACON"],
    "Whether this node calls for others on the LAN, sealed for its own mesh.",
  ),
  "beacon.port": key(
    port,
    "42424",
    "beacon-port",
    ["MESH_BEACON_PORT"],
    "UDP port of the beacons, the same for all nodes of a LAN; portBase does not move it.",
  ),
  "membership.host": key(
    host,
    "0.0.0.0",
    "membership-host",
    ["MESH_MEMBERSHIP_HOST"],
    "Address for the datagrams of the failure detector.",
  ),
  "membership.port": key(
    port,
    "7946",
    "membership-port",
    ["MESH_MEMBERSHIP_PORT"],
    "UDP port for the datagrams of the failure detector.",
  ),
  "membership.udp": key(
    flag,
    "true",
    "udp",
    ["MESH_UDP"],
    "Whether datagrams are used at all; without them everything goes over links.",
  ),
  "relay.enabled": key(
    flag,
    "true",
    "relay",
    ["MESH_RELAY"],
    "Whether this node passes streams on between nodes that cannot reach each other.",
  ),
  "relay.streams": key(
    whole(1, 4096),
    "128",
    "relay-streams",
    ["MESH_RELAY_STREAMS"],
    "Streams that this node passes on for one peer at a time.",
  ),
  "relay.rate": key(
    size,
    "0",
    "relay-rate",
    ["MESH_RELAY_RATE"],
    "Bytes per second that are passed on for one peer, both ways together; 0 is no limit.",
  ),
  "relay.bytes": key(
    size,
    "0",
    "relay-bytes",
    ["MESH_RELAY_BYTES"],
    "Bytes after which a stream that is passed on ends; 0 is no limit.",
  ),
  "relay.time": key(
    duration,
    "0s",
    "relay-time",
    ["MESH_RELAY_TIME"],
    "Time after which a stream that is passed on ends; 0 is no limit.",
  ),
} as const;
