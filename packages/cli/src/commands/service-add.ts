import type { ServiceAddRequest } from "@hearthmesh/gateway/contracts";
import { type Cli, print, printJson } from "../cli.js";
import { collect, MeshCommand } from "../command.js";
import { type DoorOptions, throughNodeDoor, withDoorOptions } from "../door.js";
import { usageError } from "../failures.js";
import { printable } from "../text.js";

interface ServiceAddOptions extends DoorOptions {
  port?: string;
  host?: string;
  protocol?: string;
  capability?: string[];
  healthPath?: string;
  json?: boolean;
}

export function serviceAddCommand(cli: Cli): MeshCommand {
  const command = new MeshCommand("add")
    .description("offer a program of this machine to the mesh")
    .argument("<name>", "name of the service: a-z, 0-9 and -")
    .option("--port <number>", "port on which the program listens")
    .option("--host <address>", "where it listens; default: 127.0.0.1")
    .option("--protocol <protocol>", "http or tcp; default: http")
    .option("--capability <name>", "what it can do, such as ai; may be repeated", collect)
    .option("--health-path <path>", "check it with GET on this path instead of a connection")
    .option("--json", "as JSON")
    .withExamples(
      "mesh service add ollama --port 11434 --capability ai",
      "mesh service add wiki --port 8080 --health-path /healthz",
      "mesh service add postgres --port 5432 --protocol tcp",
    );
  return withDoorOptions(command).action(async (name: string, options: ServiceAddOptions) => {
    const request = requestOf(name, options);
    await throughNodeDoor(cli, options, async ({ api }) => {
      const { addService } = await import("@hearthmesh/client");
      const answer = await addService(api, request);
      if (options.json === true) return printJson(cli, answer);
      const { service } = answer;
      print(cli, `Added ${printable(service.name)} on ${printable(service.node)}.`);
      print(cli, "mesh service list shows whether it answers.");
      const path = `/api/mesh/route/${service.name}/`;
      if (service.protocol === "http") print(cli, `Every node reaches it under ${path}`);
      print(cli, `A port for it on any node: mesh forward ${service.name} ${request.port}`);
    });
  });
}

function requestOf(name: string, options: ServiceAddOptions): ServiceAddRequest {
  const { host, protocol, capability = [], healthPath } = options;
  if (options.port === undefined) throw usageError("--port is missing: where does it listen?");
  const port = parsePort(options.port, "--port");
  if (protocol !== undefined && protocol !== "http" && protocol !== "tcp") {
    throw usageError(`--protocol is http or tcp, not ${JSON.stringify(protocol)}`);
  }
  // `--capability storage,compute` is as good as naming each.
  const capabilities = capability.flatMap((text) => text.split(",")).map((text) => text.trim());
  return {
    name,
    port,
    capabilities: capabilities.filter((text) => text !== ""),
    ...(host === undefined ? {} : { host }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(healthPath === undefined ? {} : { health: { kind: "http", path: healthPath } }),
  };
}

/** A port to connect to or to listen on. */
export function parsePort(text: string, what: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw usageError(`${what} is a number from 1 to 65535, not ${JSON.stringify(text)}`);
}
