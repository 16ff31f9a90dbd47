/** Looks at the ports before anything is made or opened, so that a failed start leaves no trace. */
import { createServer } from "node:net";
import { MeshError } from "@hearthmesh/core";
import type { HostPort } from "./config/config.js";

export interface WantedPort extends HostPort {
  /** Long flag that changes it, without the dashes. */
  flag: string;
  purpose: string;
}

/** Throws `MESH_PORT_TAKEN` for the first port that another program has. */
export async function checkPorts(wanted: readonly WantedPort[]): Promise<void> {
  const seen = new Map<number, WantedPort>();
  for (const port of wanted) {
    const twin = seen.get(port.port);
    if (twin !== undefined) {
      throw new MeshError("MESH_CONFIG_INVALID", {
        message:
          `port ${port.port} is configured twice: ` + `for ${twin.purpose} and for ${port.purpose}`,
        hint: `Change one of them with \`--${twin.flag}\` or \`--${port.flag}\`.`,
      });
    }
    seen.set(port.port, port);
    await checkPort(port);
  }
}

function checkPort({ host, port, flag, purpose }: WantedPort): Promise<void> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "EADDRINUSE") reject(taken(port, flag, purpose, cause));
      // Anything else is told better by the door itself, with its own hint.
      else resolve();
    });
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve()));
  });
}

function taken(port: number, flag: string, purpose: string, cause: Error): MeshError {
  return new MeshError("MESH_PORT_TAKEN", {
    message: `port ${port}, wanted for ${purpose}, is in use by another program`,
    hint: `Stop it, choose another port with \`--${flag}\`, or shift all with \`--port-base 100\`.`,
    details: { port },
    cause,
  });
}
