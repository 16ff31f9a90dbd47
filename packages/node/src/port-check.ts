/** Looks at the ports before anything is made or opened, so that a failed start leaves no trace. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { MeshError } from "@hearthmesh/core";
import type { HostPort } from "./config/config.js";

export interface WantedPort extends HostPort {
  /** Long flag that changes it, without the dashes. */
  flag: string;
  purpose: string;
  /** Default `tcp`. */
  protocol?: "tcp" | "udp";
}

/** Throws `MESH_PORT_TAKEN` for the first port that another program has. */
export async function checkPorts(wanted: readonly WantedPort[]): Promise<void> {
  const seen = new Map<string, WantedPort>();
  for (const port of wanted) {
    const place = `${port.protocol ?? "tcp"}/${port.port}`;
    const twin = seen.get(place);
    if (twin !== undefined) {
      throw new MeshError("MESH_CONFIG_INVALID", {
        message:
          `port ${port.port} is configured twice: ` + `for ${twin.purpose} and for ${port.purpose}`,
        hint: `Change one of them with \`--${twin.flag}\` or \`--${port.flag}\`.`,
      });
    }
    seen.set(place, port);
    await (port.protocol === "udp" ? checkUdpPort(port) : checkPort(port));
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

function checkUdpPort({ host, port, flag, purpose }: WantedPort): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.once("error", (cause: NodeJS.ErrnoException) => {
      socket.close();
      if (cause.code === "EADDRINUSE") reject(taken(port, flag, purpose, cause));
      else resolve();
    });
    socket.bind({ address: host, port, exclusive: true }, () => socket.close(() => resolve()));
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
