/**
 * Which door a command uses. The first of these that applies: the coordinator and certificate that
 * were named; the node that runs from this home; the current collective of the identity in it.
 */
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { ApiClient, FileAccess, IdentityHome } from "@hearthmesh/client";
import { type RunningNode, readRunningNode } from "@hearthmesh/client/running-node";
import type { Cli } from "./cli.js";
import type { MeshCommand } from "./command.js";
import { usageError } from "./failures.js";
import { findHome, requireLocalUrl } from "./home.js";

export interface DoorOptions {
  home?: string;
  local?: boolean;
  collective?: string;
  coordinator?: string;
  ca?: string;
  cert?: string;
  key?: string;
}

/**
 * Of this machine: the API of a coordinator, and of two more that stand beside it (the homelab
 * page). Only one whose certificate is signed by the CA that was given is spoken to.
 */
const DEFAULT_COORDINATORS = ["127.0.0.1:8001", "127.0.0.1:8002", "127.0.0.1:8003"];
const COORDINATOR_VARIABLES = ["MESH_COORDINATOR", "COLLECTIVE_COORDINATOR"];

/** Adds the options that choose a door. */
export function withDoorOptions(command: MeshCommand): MeshCommand {
  return command
    .option("--home <directory>", "data directory instead of MESH_HOME")
    .option("--local", "use the node that runs on this machine, and nothing else")
    .option("--collective <name>", "use this collective instead of the current one")
    .option(
      "--coordinator <host:port>",
      "API of a coordinator; default with --ca: MESH_COORDINATOR, else the one on this machine " +
        "(ports 8001 to 8003) that the CA has signed",
    )
    .option("--ca <file>", "CA certificate of the member, with --cert and --key")
    .option("--cert <file>", "certificate to speak with")
    .option("--key <file>", "private key of that certificate");
}

export interface Door {
  readonly api: ApiClient;
  /** For people: what is being talked to. */
  readonly name: string;
  files(): Promise<FileAccess>;
  close(): Promise<void>;
}

/** Opens the door for one command and closes it at the end, whatever happens. */
export async function throughDoor<Result>(
  cli: Cli,
  options: DoorOptions,
  work: (door: Door) => Promise<Result>,
): Promise<Result> {
  const door = await openDoor(cli, options);
  try {
    return await work(door);
  } finally {
    await door.close();
  }
}

/**
 * The same for what every node serves: the one that runs from this home is asked, coordinator or
 * not, unless another was named.
 */
export async function throughNodeDoor<Result>(
  cli: Cli,
  options: DoorOptions,
  work: (door: Door) => Promise<Result>,
): Promise<Result> {
  const running = namesDoor(options) ? undefined : await runningNode(cli, options);
  if (running === undefined) return throughDoor(cli, options, work);
  const door = await plainDoor(cli, running.nodeUrl);
  return work(door).finally(() => door.close());
}

/** A node runs from this home, and it is not its member's coordinator. */
export async function isBesideCoordinator(cli: Cli, options: DoorOptions): Promise<boolean> {
  if (namesDoor(options)) return false;
  const running = await runningNode(cli, options);
  return running !== undefined && running.httpUrl === undefined;
}

function namesDoor({ collective, coordinator, ca, cert, key }: DoorOptions): boolean {
  return (collective ?? coordinator ?? ca ?? cert ?? key) !== undefined;
}

async function runningNode(cli: Cli, options: DoorOptions): Promise<RunningNode | undefined> {
  return readRunningNode(await findHome(cli, options.home));
}

async function openDoor(cli: Cli, options: DoorOptions): Promise<Door> {
  if (options.ca ?? options.cert ?? options.key) return certificateDoor(cli, options);
  const home = await findHome(cli, options.home);
  if (options.local === true) return plainDoor(cli, await requireLocalUrl(home));
  if (options.collective === undefined && options.coordinator === undefined) {
    const running = await readRunningNode(home);
    if (running?.httpUrl !== undefined) return plainDoor(cli, running.httpUrl);
  }
  return collectiveDoor(cli, home, options);
}

async function plainDoor({ clock, random }: Cli, loopbackUrl: string): Promise<Door> {
  const { ApiClient, HttpFiles } = await import("@hearthmesh/client");
  const api = new ApiClient({ loopbackUrl, clock, random });
  return {
    api,
    name: `the node on this machine (${loopbackUrl})`,
    files: async () => new HttpFiles(api),
    close: async () => api.close(),
  };
}

async function certificateDoor(cli: Cli, options: DoorOptions): Promise<Door> {
  const { ca, cert, key } = options;
  if (ca === undefined || cert === undefined || key === undefined) {
    throw usageError("--ca, --cert and --key belong together: one of them is missing");
  }
  const { ApiClient, HttpFiles } = await import("@hearthmesh/client");
  const read = (path: string) => readFile(resolve(cli.cwd, path), "utf8");
  const [caCertificatePem, certificatePem, keyPem] = await Promise.all([
    read(ca),
    read(cert),
    read(key),
  ]);
  const addresses = coordinatorAddresses(cli, options);
  const credentials = { keyPem, certificatePem, caCertificatePem };
  const api = new ApiClient({ addresses, credentials, clock: cli.clock });
  return {
    api,
    get name() {
      return `the coordinator at ${api.address}`;
    },
    files: async () => new HttpFiles(api),
    close: async () => api.close(),
  };
}

/** Tried in this order; a server that the given CA has not signed is passed over, unasked. */
function coordinatorAddresses({ env }: Cli, { coordinator }: DoorOptions): readonly string[] {
  const variable = COORDINATOR_VARIABLES.map((name) => env[name]).find(Boolean);
  const named = coordinator ?? variable;
  if (named === undefined) return DEFAULT_COORDINATORS;
  return named.split(",").map((address) => address.trim());
}

async function collectiveDoor(cli: Cli, directory: string, options: DoorOptions): Promise<Door> {
  const {
    ApiClient,
    connectFiles,
    federateFiles,
    FilesByWay,
    HttpFiles,
    IdentityHome,
    loadCollective,
  } = await import("@hearthmesh/client");
  const { clock, random, log } = cli;
  const home: IdentityHome = new IdentityHome(directory);
  const collective = await loadCollective({ home, name: options.collective, clock, log });
  const { record, credentials, finder } = collective;
  const api =
    options.coordinator === undefined
      ? new ApiClient({ finder, credentials, clock, random })
      : new ApiClient({ addresses: [options.coordinator], credentials, clock, random });
  const connections: { close(): Promise<void> }[] = [];
  return {
    api,
    name: `the collective ${record.name} (${api.address})`,
    files: async () => {
      const connection = connectFiles({ collective, clock, random, log });
      const home = new FilesByWay(connection.files, new HttpFiles(api));
      const federation = federateFiles({ home, api, collective, clock, random, log });
      connections.push(connection, federation);
      return federation.files;
    },
    close: async () => {
      await api.settled();
      api.close();
      await Promise.all(connections.map((one) => one.close()));
    },
  };
}

/** The identities of this machine, for commands that need no door. */
export async function openHome(cli: Cli, options: { home?: string }): Promise<IdentityHome> {
  const { IdentityHome } = await import("@hearthmesh/client");
  return new IdentityHome(await findHome(cli, options.home));
}
