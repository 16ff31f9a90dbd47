import { createServer, isIP, type Server, type Socket } from "node:net";
import { isMeshError, MeshError } from "@hearthmesh/core";
import { type Cli, note, print } from "../cli.js";
import { MeshCommand } from "../command.js";
import { throughNodeDoor } from "../door.js";
import { printable } from "../text.js";
import { parsePort } from "./service-add.js";

/** Connections that one `mesh forward` carries. */
const CONNECTIONS_MAX = 256;

interface Place {
  readonly host: string;
  readonly port: number;
}

export function forwardCommand(cli: Cli): MeshCommand {
  return new MeshCommand("forward")
    .description("a port of this machine for a service of the mesh, until Ctrl-C")
    .argument("<service>", "a service, a capability, a node, or <node>:<service>")
    .argument("<localPort>", "port to listen on")
    .option("--host <address>", "address to listen on; default: 127.0.0.1")
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .withExamples(
      "mesh forward postgres 5432",
      "mesh forward attic:ssh 2222",
      "mesh forward ai 11434",
    )
    .action(
      async (target: string, localPort: string, options: { host?: string; home?: string }) => {
        const listen = {
          host: options.host ?? "127.0.0.1",
          port: parsePort(localPort, "the port"),
        };
        const door = { local: true, ...(options.home === undefined ? {} : { home: options.home }) };
        await throughNodeDoor(cli, door, async ({ api }) => {
          await tellWhetherThere(cli, api, target);
          await forward(cli, { door: placeOf(api.address), target, listen });
        });
      },
    );
}

/** A service may come later, so that nobody to serve it is no reason to end. */
async function tellWhetherThere(
  cli: Cli,
  api: Parameters<typeof import("@hearthmesh/client").listServices>[0],
  target: string,
): Promise<void> {
  const { listServices } = await import("@hearthmesh/client");
  const { services } = await listServices(api);
  const known = services.some(
    ({ name, node, nodeId, capabilities }) =>
      [name, node, nodeId, `${node}:${name}`, `${nodeId}:${name}`].includes(target) ||
      [`${name}@${node}`, `${name}@${nodeId}`].includes(target) ||
      capabilities.includes(target),
  );
  if (known) return;
  note(cli, `Nobody offers ${printable(target)} now; connections are refused until somebody does.`);
}

interface ForwardOptions {
  readonly door: Place;
  readonly target: string;
  readonly listen: Place;
}

/** Resolves after Ctrl-C. */
async function forward(cli: Cli, options: ForwardOptions): Promise<void> {
  const { host, port } = options.listen;
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  server.maxConnections = CONNECTIONS_MAX;
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    carry(options, socket).catch((error: unknown) => tell(cli, error));
  });
  await opened(server, options.listen);
  const shown = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
  print(cli, `${shown} is now ${printable(options.target)}. Ctrl-C ends it.`);
  if (!/^(?:127\.|::1$|localhost$)/.test(host)) {
    note(cli, `Whoever reaches ${shown} can use the service: it is not only for this machine.`);
  }
  await aborted(cli.signal);
  server.close();
  for (const socket of sockets) socket.destroy();
}

async function carry({ door, target }: ForwardOptions, local: Socket): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort();
  local.once("close", leave);
  // Its end is seen by `close`; without a listener the error would end the program.
  local.on("error", () => {});
  try {
    const { openTunnel } = await import("@hearthmesh/client");
    const { socket } = await openTunnel({ door, target, signal: gone.signal });
    join(local, socket);
  } catch (error) {
    // A reset says what a refused connection would have said.
    local.resetAndDestroy();
    if (!gone.signal.aborted) throw error;
  } finally {
    local.off("close", leave);
  }
}

/** Bytes both ways; each direction ends on its own, and a broken side breaks the other. */
function join(local: Socket, remote: Socket): void {
  for (const [one, other] of [
    [local, remote],
    [remote, local],
  ] as const) {
    one.on("error", () => other.resetAndDestroy());
    one.once("close", () => {
      if (!one.readableEnded || !one.writableFinished) other.resetAndDestroy();
    });
    one.pipe(other);
  }
}

function tell(cli: Cli, error: unknown): void {
  const text = error instanceof Error ? error.message : String(error);
  note(cli, `${cli.colours.red("connection refused:")} ${printable(text)}`);
  if (isMeshError(error)) note(cli, `  code: ${error.code}`);
}

function opened(server: Server, { host, port }: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const taken = error.code === "EADDRINUSE";
      reject(
        new MeshError(taken ? "MESH_PORT_TAKEN" : "MESH_BAD_REQUEST", {
          message: taken
            ? `port ${port} on ${host} is in use by another program`
            : `cannot listen on ${host}, port ${port} (${error.code ?? "unknown reason"})`,
          hint: "Choose another port, or another address with --host.",
          cause: error,
        }),
      );
    });
    server.listen({ host, port }, resolve);
  });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Of `host:port` or `[host]:port`. */
function placeOf(address: string): Place {
  const at = address.lastIndexOf(":");
  return {
    host: address.slice(0, at).replace(/^\[|\]$/g, ""),
    port: Number(address.slice(at + 1)),
  };
}
