/** `docker-compose.yml` of a planned mesh, as text: people read and change it. */
import {
  type ComposePlan,
  GRAFANA_PORT,
  OVERLAY_PORT,
  type PlannedNode,
  PROMETHEUS_PORT,
} from "./compose-plan.js";

const SHARED_VOLUMES = ["join", "prometheus-data", "grafana-data"];
/** Where the member's nodes find their invite; the image makes the folder. */
const INVITE_FILE = "/collective/join/nodes";
const PUBLISH = "$" + "{PUBLISH_ADDRESS:-127.0.0.1}";
/** Of its own: Prometheus asks nobody for a key, and Grafana's first password is known to all. */
const WATCH = "$" + "{WATCH_ADDRESS:-127.0.0.1}";

export function composeFile(plan: ComposePlan): string {
  const [coordinator, ...others] = plan.members;
  return [
    ...head(plan),
    ...coordinatorService(coordinator),
    ...others.flatMap((node) => nodeService(node, coordinator)),
    ...prometheusService(plan),
    ...grafanaService(plan),
    ...networksAndVolumes(plan),
    "",
  ].join("\n");
}

function head({ nodes, clone }: ComposePlan): string[] {
  const size = nodes === 1 ? "1 node" : `${nodes} nodes`;
  return [
    `# A mesh of ${size} on one machine, with Prometheus and Grafana. Made by`,
    `# \`mesh compose generate --nodes ${nodes}\`; docs/deployment.md says what is what.`,
    "",
    "# What all nodes have in common. The first `up` builds the image from this clone.",
    "x-node: &node",
    "  image: hearthmesh",
    "  build:",
    `    context: ${clone}`,
    "    dockerfile: deploy/Dockerfile",
    "  read_only: true",
    "  tmpfs: /tmp",
    "  cap_drop: [ALL]",
    '  security_opt: ["no-new-privileges:true"]',
    "  restart: unless-stopped",
    "  # Time to hand over what is under way before it is killed.",
    "  stop_grace_period: 30s",
    "  networks: [mesh]",
    "",
    "services:",
  ];
}

function coordinatorService(node: PlannedNode): string[] {
  return [
    "  # The member's coordinator. It keeps an invite for the others on a volume of theirs.",
    ...serviceHead(node),
    "    environment:",
    ...commonEnvironment(node),
    "      MESH_MEMBER: mesh",
    `      MESH_NODE_INVITE_FILE: ${INVITE_FILE}`,
    ...ports(node),
    "    volumes:",
    `      - ${node.name}-data:/data`,
    "      - join:/collective/join",
    "",
  ];
}

function nodeService(node: PlannedNode, coordinator: PlannedNode): string[] {
  return [
    ...serviceHead(node),
    `    depends_on: [${coordinator.name}]`,
    "    environment:",
    ...commonEnvironment(node),
    `      MESH_TOKEN_FILE: ${INVITE_FILE}`,
    ...ports(node),
    "    volumes:",
    `      - ${node.name}-data:/data`,
    "      - join:/collective/join:ro",
    "",
  ];
}

function serviceHead({ name, container }: PlannedNode): string[] {
  return [
    `  ${name}:`,
    "    <<: *node",
    `    container_name: ${container}`,
    `    hostname: ${name}`,
  ];
}

/**
 * `gateway`: programs on this machine, as a container sees them, may read /mesh/ without a key.
 * Without an interface, Yggdrasil needs no rights that a container does not have anyway.
 */
function commonEnvironment({ name, overlayPeers }: PlannedNode): string[] {
  return [
    `      NODE_ID: ${name}`,
    "      LISTEN_HOST: 0.0.0.0",
    '      LISTEN_PORT: "8000"',
    "      LOG_LEVEL: $" + "{LOG_LEVEL:-info}",
    ...(overlayPeers.length === 0 ? [] : [`      YGGDRASIL_PEERS: ${overlayPeers.join(",")}`]),
    `      YGGDRASIL_LISTEN: tcp://0.0.0.0:${OVERLAY_PORT}`,
    "      MESH_OVERLAY_INTERFACE: none",
    '      MESH_ENABLED: "true"',
    "      MESH_HTTP_VIEWERS: gateway",
    "      MESH_METRICS_HOST: 0.0.0.0",
    "      MESH_CAPACITY: $" + "{CAPACITY:-2GB}",
  ];
}

function ports({ httpPort, metricsPort }: PlannedNode): string[] {
  return [
    "    ports:",
    `      - "${PUBLISH}:${httpPort}:8000" # health and the mesh; the rest needs an API key`,
    `      - "${PUBLISH}:${metricsPort}:9090" # metrics`,
  ];
}

function prometheusService({ project, clone, nodes }: ComposePlan): string[] {
  return [
    "  prometheus:",
    "    image: docker.io/prom/prometheus:v3.5.0",
    `    container_name: ${project}-prometheus`,
    "    # `up -d` makes it anew for another number of nodes, which prometheus.yml names.",
    `    labels: { org.hearthmesh.nodes: "${nodes}" }`,
    "    ports:",
    `      - "${WATCH}:${PROMETHEUS_PORT}:9090"`,
    "    volumes:",
    "      - ./prometheus.yml:/etc/prometheus/prometheus.yml:ro",
    `      - ${clone}/deploy/monitoring/rules.yml:/etc/prometheus/rules.yml:ro`,
    "      - prometheus-data:/prometheus",
    ...watcher(),
    "",
  ];
}

function grafanaService({ project, clone }: ComposePlan): string[] {
  const from = `${clone}/deploy/monitoring/grafana`;
  return [
    "  # admin / admin at first, as Grafana ships it: it asks for another one at the first login.",
    "  grafana:",
    "    image: docker.io/grafana/grafana:12.0.0",
    `    container_name: ${project}-grafana`,
    "    depends_on: [prometheus]",
    "    environment:",
    '      GF_ANALYTICS_REPORTING_ENABLED: "false"',
    '      GF_ANALYTICS_CHECK_FOR_UPDATES: "false"',
    '      GF_USERS_ALLOW_SIGN_UP: "false"',
    "    ports:",
    `      - "${WATCH}:${GRAFANA_PORT}:3000"`,
    "    volumes:",
    `      - ${from}/provisioning:/etc/grafana/provisioning:ro`,
    `      - ${from}/dashboards:/var/lib/grafana/dashboards:ro`,
    "      - grafana-data:/var/lib/grafana",
    ...watcher(),
    "",
  ];
}

function watcher(): string[] {
  return [
    "    cap_drop: [ALL]",
    '    security_opt: ["no-new-privileges:true"]',
    "    restart: unless-stopped",
    "    networks: [mesh]",
  ];
}

/** Named here, not by a `name` of the project: Compose 1, Debian's docker-compose, has none. */
function networksAndVolumes({ project, network, members }: ComposePlan): string[] {
  const volumes = [...members.map(({ name }) => `${name}-data`), ...SHARED_VOLUMES];
  return [
    "networks:",
    "  mesh:",
    `    name: ${network}`,
    "",
    "# `docker-compose down --volumes` deletes them for good: the nodes' keys and files.",
    "volumes:",
    ...volumes.flatMap((name) => [`  ${name}:`, `    name: ${project}_${name}`]),
  ];
}
