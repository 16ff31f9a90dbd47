/** What tests with containers need of this machine. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const BASE_IMAGE = "node:20-slim";
const REGISTRY_MS_MAX = 60_000;

/** The limits are lower than podman's own, which need the right to raise them. */
const SETTINGS = [
  "[containers]",
  'default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]',
  "[engine]",
  ...(hasProgram("runc") ? ['runtime = "runc"'] : []),
].join("\n");

function hasProgram(name: string): boolean {
  return spawnSync("sh", ["-c", 'command -v "$1"', "sh", name]).status === 0;
}

/** `folder` gets the settings. */
export function podmanEnvironment(folder: string): NodeJS.ProcessEnv {
  const settings = join(folder, "containers.conf");
  writeFileSync(settings, SETTINGS);
  // The OCI format of images knows no HEALTHCHECK.
  return { CONTAINERS_CONF: settings, BUILDAH_FORMAT: "docker", ...process.env };
}

/** Debian's program with the entry point, the user and the volume of Prometheus' own image. */
const PROMETHEUS = [
  `FROM ${BASE_IMAGE}`,
  "RUN apt-get update -q && apt-get install -q -y --no-install-recommends prometheus \\",
  "  && mkdir -p /prometheus && chown -R nobody:nogroup /etc/prometheus /prometheus",
  "USER nobody",
  "EXPOSE 9090",
  'VOLUME ["/prometheus"]',
  "WORKDIR /prometheus",
  'ENTRYPOINT ["/bin/prometheus"]',
  'CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]',
].join("\n");

/**
 * The name of an image of Prometheus: `upstream` where this machine has it, which is never pulled,
 * else one under the name `own`, made from Debian's package. Undefined when neither can be had.
 */
export function prometheusImage(
  upstream: string,
  { own, folder, env }: { own: string; folder: string; env: NodeJS.ProcessEnv },
): string | undefined {
  if (spawnSync("podman", ["image", "exists", upstream]).status === 0) return upstream;
  const file = join(folder, "Prometheus.Dockerfile");
  writeFileSync(file, PROMETHEUS);
  const flags = ["--pull=never", "--layers=false", "-q", "-t", own, "-f", file, folder];
  return spawnSync("podman", ["build", ...flags], { env }).status === 0 ? own : undefined;
}

/** Undefined when containers can be built and run here. */
export function whyNoContainers({ needsRegistry = true } = {}): string | undefined {
  if (process.platform !== "linux") return "needs Linux";
  if (process.getuid?.() !== 0) return "needs root";
  for (const name of ["podman", "podman-compose", "ip", "curl"]) {
    if (!hasProgram(name)) return `needs the program ${name}`;
  }
  if (!needsRegistry) return undefined;
  if (spawnSync("podman", ["image", "exists", BASE_IMAGE]).status !== 0) {
    return `needs the image: podman pull ${BASE_IMAGE}`;
  }
  const folder = mkdtempSync(join(tmpdir(), "hearthmesh-compose-"));
  try {
    const flags = ["run", "--rm", "--pull=never", "-p", "127.0.0.1::3000", BASE_IMAGE];
    // The image takes packages from both.
    const ask = "npm ping --loglevel=error && apt-get update -q -o APT::Update::Error-Mode=any";
    const trial = spawnSync("podman", [...flags, "sh", "-c", ask], {
      env: podmanEnvironment(folder),
      encoding: "utf8",
      timeout: REGISTRY_MS_MAX,
    });
    if (trial.status === 0) return undefined;
    const why = trial.stderr.trim().split("\n").at(-1);
    return `no container reaches the registries of npm and Debian: ${why}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
