/** What can go wrong in the mesh: keys, introductions, relays, services. */
import { define } from "./error-definition.js";

export const mesh = {
  MESH_DISABLED: define(
    409,
    2,
    "the mesh is switched off on this node",
    "Set MESH_ENABLED=true (or remove it) and start the node again.",
  ),
  MESH_NO_ROUTE: define(
    503,
    6,
    "no way leads to the node",
    "`mesh peers` shows who is reachable, and why others are not.",
  ),
  MESH_OVERLAY_MISSING: define(
    500,
    2,
    "yggdrasil is not installed on this machine",
    "Debian and Ubuntu: `apt install yggdrasil`. Others: put `yggdrasil` 0.4.7 or newer into " +
      "PATH. Or run without it: `mesh up --overlay none`.",
  ),
  MESH_OVERLAY_FAILED: define(
    500,
    1,
    "the overlay does not run",
    "`mesh overlay status` says why; its own words are in logs/yggdrasil.log in MESH_HOME.",
  ),
  MESH_OVERLAY_OFF: define(
    404,
    3,
    "this node has no overlay",
    "Start it with one: `mesh up --overlay yggdrasil --overlay-peer tcp://host:port`.",
  ),
  MESH_RELAY_REFUSED: define(
    403,
    4,
    "the node does not pass streams on",
    "Start a hub with `relay.enabled: true`, or let the two nodes reach each other directly.",
  ),
  MESH_SERVICE_UNKNOWN: define(
    404,
    3,
    "nobody offers this",
    "`mesh service list` shows what runs in the mesh.",
  ),
  MESH_SERVICE_UNAVAILABLE: define(
    503,
    6,
    "nobody who offers this can serve it now",
    "`mesh service list` shows the health of each; `mesh peers` who is reachable.",
  ),
  MESH_SERVICE_EXISTS: define(
    409,
    5,
    "a service of this name is there",
    "Remove it first, or choose another name.",
  ),
  MESH_KEY_INVALID: define(
    401,
    4,
    "the API key is not valid",
    "Keys end and are revoked: `mesh key list` on the node that was asked shows its keys.",
  ),
  MESH_KEY_SCOPE: define(
    403,
    4,
    "the API key does not allow this",
    "Make one that does: `mesh key create --scope ...`.",
  ),
  MESH_ADDRESS_REFUSED: define(
    403,
    4,
    "the address is not on the allow-list",
    "The operator sets the list: `mesh key create --allow-ip`, `mesh node allow`.",
  ),
  MESH_INTRODUCTION_FAILED: define(
    502,
    9,
    "the other node did not prove who it is",
    "Check the URL, and that a node of Hearthmesh with MESH_ENABLED=true answers there.",
  ),
} as const;
