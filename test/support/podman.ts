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
