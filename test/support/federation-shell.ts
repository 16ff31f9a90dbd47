/**
 * Pastes the commands of the homelab page in a shell, without containers: `docker exec` and
 * `docker cp` work on the folder that stands for a container's file system, ports are those of the
 * processes, and `docker compose` acts on them. Everything else is run as it stands.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { FederationProcesses } from "../../scripts/federation-processes.mjs";
import { readPage } from "./code-blocks.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const METRICS_PORTS: Readonly<Record<string, string>> = {
  "9091": "alice",
  "9092": "bob",
  "9093": "carol",
};

const DOCKER = `#!/bin/sh
# docker exec NAME cat|tar ..., docker cp FILE NAME:/tmp/
if [ "$1" = cp ]; then exec cp "$2" "$CONTAINERS/\${3%%:*}/tmp/"; fi
[ "$1" = exec ] || exit 64
top="$CONTAINERS/$2"
case "$3 $4" in
  "cat "*) exec cat "$top$4" ;;
  # 1 is only that a log grew meanwhile.
  "tar -czf") tar -C "$top" -czf - "\${6#/}" || [ $? = 1 ] ;;
  "tar -xzf") exec tar -C "$top" -xzf "$top$5" ;;
  *) exit 64 ;;
esac
`;

/** All commands of a page, in their order; lines that go on are one command. */
export function shellCommands(markdown: string): string[] {
  return readPage(markdown)
    .flatMap(({ blocks }) => blocks)
    .filter(({ language }) => ["sh", "bash"].includes(language))
    .flatMap(({ text }) => text.replace(/\\\n\s*/g, "").split("\n"))
    .map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

export class FederationShell {
  readonly movie = randomBytes(3 << 20);
  readonly #folder: string;
  readonly #federation: () => FederationProcesses;

  /** `folder` gets the guest's home and a working directory; the containers are in `containers`. */
  constructor(folder: string, containers: string, federation: () => FederationProcesses) {
    this.#folder = folder;
    this.#federation = federation;
    for (const name of ["home/Downloads", "work", "tmp", "bin"]) {
      mkdirSync(join(folder, name), { recursive: true });
    }
    writeFileSync(join(folder, "home", "Downloads", "movie.mp4"), this.movie);
    symlinkSync(join(root, "bin"), join(folder, "work", "bin"));
    const script = DOCKER.replaceAll("$CONTAINERS", containers);
    writeFileSync(join(folder, "bin", "docker"), script, { mode: 0o755 });
  }

  /** What it printed, on both streams. Rejects with that when it fails. */
  async paste(command: string): Promise<string> {
    const here = command
      .replaceAll(" /tmp/", ` ${join(this.#folder, "tmp")}/`)
      .replace(/localhost:(909[1-3])/g, (_, port: string) => {
        const { metricsUrl } = this.#federation().member(METRICS_PORTS[port] ?? "").coordinator;
        return new URL(metricsUrl).host;
      })
      // Its own path in the container, not ours.
      .replace(/(docker exec \S+ tar -xzf) \S*(\/\S+)/, "$1 /tmp$2");
    const options = { cwd: join(this.#folder, "work"), env: this.#environment() };
    const { stdout, stderr } = await run("sh", ["-eu", "-c", here], options);
    return stdout + stderr;
  }

  #environment(): NodeJS.ProcessEnv {
    const { PATH = "" } = process.env;
    return {
      PATH: `${join(this.#folder, "bin")}:${PATH}`,
      HOME: join(this.#folder, "home"),
      MESH_COORDINATOR: this.#federation().apiAddresses.join(","),
      NO_COLOR: "1",
    };
  }
}
