/**
 * Which containers a mesh of N nodes has on one machine, under which names and ports: those of the
 * deployment guide, continued. Pure; the files are made from it.
 */
import { MeshError } from "@hearthmesh/core";

/** Each is a Yggdrasil peer of every other one: `OVERLAY_URIS_MAX` of a node, and itself. */
const NODES_MAX = 65;
const NODES_MIN = 1;
const LETTERS = "abcdefghijklmnopqrstuvwxyz";

/** Of the guide: what it calls the project, and so its networks and containers. */
export const GUIDE_PROJECT = "x0tta6bl4";

const HTTP_PORT = 8000;
const METRICS_PORT = 9090;
/** The guide gives this one to Prometheus, so no node's metrics are published there. */
export const PROMETHEUS_PORT = 9093;
export const GRAFANA_PORT = 3000;
/** Where a node's Yggdrasil listens for the others. */
export const OVERLAY_PORT = 9010;

/** They are no names in YAML. */
const YAML_WORDS = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

export interface ComposeRequest {
  readonly nodes: number;
  readonly project: string;
  /** Path from the compose file to the root of the clone that the image is built from. */
  readonly clone: string;
}

export interface PlannedNode {
  /** `node-a`: the service, the host name and the node's name. */
  readonly name: string;
  readonly container: string;
  /** Published on the machine; inside they are the same for every node. */
  readonly httpPort: number;
  readonly metricsPort: number;
  /** Of all other nodes, by container: a name that also holds after `network connect`. */
  readonly overlayPeers: readonly string[];
}

export interface ComposePlan extends ComposeRequest {
  readonly network: string;
  /** The first is the member's coordinator. */
  readonly members: readonly [PlannedNode, ...PlannedNode[]];
}

/** Throws `MESH_BAD_REQUEST` for what no compose file can be made of. */
export function planCompose(request: ComposeRequest): ComposePlan {
  const { nodes, project, clone } = request;
  if (!Number.isInteger(nodes) || nodes < NODES_MIN || nodes > NODES_MAX) {
    throw refused(`--nodes takes a number from ${NODES_MIN} to ${NODES_MAX}`);
  }
  if (!/^[a-z][a-z0-9_-]{0,31}$/.test(project) || YAML_WORDS.includes(project)) {
    throw refused("--project takes a letter, then a-z, 0-9, - and _, up to 32");
  }
  if (!/^[./][\w./-]*$/.test(clone)) {
    throw refused("--clone takes a path that begins with . or /, of letters, digits, ., - and _");
  }
  const names = Array.from({ length: nodes }, (_, at) => `node-${lettersOf(at)}`);
  const containerOf = (name: string) => `${project}-${name}`;
  const [first, ...others] = names.map((name, at) => ({
    name,
    container: containerOf(name),
    httpPort: HTTP_PORT + at,
    metricsPort: metricsPort(at),
    overlayPeers: names
      .filter((other) => other !== name)
      .map((other) => `tcp://${containerOf(other)}:${OVERLAY_PORT}`),
  }));
  if (first === undefined) throw refused("--nodes takes a number");
  return { ...request, network: `${project}_mesh`, members: [first, ...others] };
}

/** a, b, ..., z, aa, ab, ... */
function lettersOf(at: number): string {
  const before = Math.floor(at / LETTERS.length);
  return `${before === 0 ? "" : lettersOf(before - 1)}${LETTERS[at % LETTERS.length]}`;
}

function metricsPort(at: number): number {
  const port = METRICS_PORT + at;
  return port < PROMETHEUS_PORT ? port : port + 1;
}

function refused(message: string): MeshError {
  return new MeshError("MESH_BAD_REQUEST", {
    message,
    hint: "`mesh compose generate --help` shows what it takes.",
  });
}
