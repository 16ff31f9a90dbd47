/**
 * The HTTP port of `mesh-control-plane`, the backup beside the mesh itself. Who may do what:
 *
 *     GET    /health                         everybody: whether it and the agent are there
 *     GET    /api/pools/<id>                 who knows the pool's id: whether one can join here
 *     GET    /api/pools/<id>/enrolment       the same, as an upgrade (`enrolment-tunnel.ts`)
 *     POST   /api/jobs                       this machine: hands a job in, 202
 *     GET    /api/jobs, /api/jobs/<id>       this machine
 *     DELETE /api/jobs/<id>                  this machine: cancels it
 *
 * HTTP has no encryption: whatever is secret (prompts, answers, keys) is served on loopback alone,
 * and a page in a browser of this machine is no program of it (`guardLoopback`).
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import {
  type Clock,
  isMeshError,
  type Logger,
  limits,
  MeshError,
  type Random,
  type Startable,
} from "@hearthmesh/core";
import { readJson, sendJson } from "../plain/json-body.js";
import { closeServer, type DoorAddress, isLoopbackAddress, listen } from "../plain/listen.js";
import { plainServer } from "../plain/plain-server.js";
import { guardLoopback } from "../server/loopback-guard.js";
import { ENROLMENT_UPGRADE, EnrolmentTunnels } from "./enrolment-tunnel.js";
import { type JobAnswer, JobBook } from "./job-book.js";
import { CONTROL_PORTS_TRIED, JOB_REQUEST_BYTES_MAX, POOL_ID_LENGTH_MAX } from "./limits.js";

/** The node of this machine, as the control plane needs it. */
export interface ControlPlaneAgent {
  isThere(): Promise<boolean>;
  /** Whether requests to join this pool can be passed on from here. */
  servesPool(poolId: string): Promise<boolean>;
  /** A connection to the door of the pool's admin. `MESH_POOL_UNKNOWN`, `MESH_UNREACHABLE`. */
  openEnrolment(poolId: string, signal: AbortSignal): Promise<Duplex>;
  /** A completion in the form of OpenAI's API, not streamed. */
  complete(body: object, signal: AbortSignal): Promise<JobAnswer>;
}

export interface ControlPlaneOptions extends DoorAddress {
  readonly version: string;
  readonly agent: ControlPlaneAgent;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export class ControlPlaneDoor implements Startable {
  readonly name = "control plane";
  readonly #options: ControlPlaneOptions;
  readonly #server: Server;
  readonly #jobs: JobBook;
  readonly #tunnels: EnrolmentTunnels;
  #address: DoorAddress | undefined;

  constructor(options: ControlPlaneOptions) {
    this.#options = options;
    const { agent } = options;
    this.#jobs = new JobBook({ ...options, run: (body, signal) => agent.complete(body, signal) });
    const open = (poolId: string, signal: AbortSignal) => agent.openEnrolment(poolId, signal);
    this.#tunnels = new EnrolmentTunnels({ ...options, open });
    this.#server = plainServer({
      ...options,
      name: this.name,
      requestMsMax: limits.HTTP_SMALL_REQUEST_MS_MAX,
      serve: (request, response) => this.#serve(request, response),
      upgrade: (request, socket, head) => this.#upgrade(request, socket, head),
    });
  }

  /** Where it listens; undefined before `start`. */
  get address(): DoorAddress | undefined {
    return this.#address;
  }

  /** On the first free port from the wanted one on. `MESH_PORT_TAKEN` when none of them is. */
  async start(): Promise<void> {
    const { host, port, log } = this.#options;
    const last = port === 0 ? 0 : Math.min(65_535, port + CONTROL_PORTS_TRIED - 1);
    for (let wanted = port; ; wanted++) {
      try {
        this.#address = await listen(this.#server, { host, port: wanted }, "http");
        break;
      } catch (error) {
        if (!isMeshError(error, "MESH_PORT_TAKEN")) throw error;
        if (wanted >= last) throw noneFree(port, last, error);
      }
    }
    const { host: own, port: taken } = this.#address;
    if (port !== 0 && taken !== port) log.warn(`port ${port} is in use: port ${taken} is taken`);
    log.info("the control plane is open", { listenAddress: `${own}:${taken}` });
  }

  async stop(): Promise<void> {
    this.#jobs.close();
    this.#tunnels.close();
    await closeServer(this.#server, this.#options.clock);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = await this.#answer(request);
    sendJson(response, status, body);
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const [path, segments] = pathOf(request);
    const [api, kind, id] = segments;
    const count = segments.length;
    const isGet = request.method === "GET";
    if (isGet && path === "/health") return { status: 200, body: await this.#health() };
    if (isGet && api === "api" && kind === "pools" && count === 3) {
      return { status: 200, body: await this.#pool(id ?? "") };
    }
    if (api === "api" && kind === "jobs" && count <= 3) {
      this.#requireOwnMachine(request, path);
      const answer = await this.#onJobs(request, id);
      if (answer !== undefined) return answer;
    }
    throw new MeshError("MESH_NOT_FOUND", {
      message: `there is no ${request.method} ${path.slice(0, 200)} here`,
      hint: "The control plane has /health, /api/pools/<id> and /api/jobs; see docs/lan-pool.md.",
    });
  }

  async #health() {
    const { agent, version } = this.#options;
    return { status: "ok", version, agent: (await agent.isThere()) ? "up" : "away" };
  }

  async #pool(poolId: string) {
    checkPoolId(poolId);
    if (!(await this.#options.agent.servesPool(poolId))) throw new MeshError("MESH_POOL_UNKNOWN");
    const path = `/api/pools/${encodeURIComponent(poolId)}/enrolment`;
    return { v: 1, poolId, enrolment: { upgrade: ENROLMENT_UPGRADE, path } };
  }

  async #onJobs(request: IncomingMessage, id: string | undefined): Promise<Answer | undefined> {
    const jobs = this.#jobs;
    switch (`${request.method} ${id === undefined ? "all" : "one"}`) {
      case "POST all":
        return { status: 202, body: jobs.submit(await readJob(request)) };
      case "GET all":
        return { status: 200, body: { jobs: jobs.list() } };
      case "GET one":
        return { status: 200, body: jobs.get(id ?? "") };
      case "DELETE one":
        return { status: 200, body: jobs.cancel(id ?? "") };
    }
    return undefined;
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const [, [api, kind, poolId = "", last, ...more]] = pathOf(request);
    const isTunnel = api === "api" && kind === "pools" && last === "enrolment";
    if (!isTunnel || more.length > 0) throw new MeshError("MESH_NOT_FOUND");
    checkPoolId(poolId);
    await this.#tunnels.serve(request, socket, head, poolId);
  }

  #requireOwnMachine(request: IncomingMessage, path: string): void {
    const { method = "", headers, socket } = request;
    if (!isLoopbackAddress(socket.remoteAddress ?? "")) {
      throw new MeshError("MESH_FORBIDDEN", {
        message: "jobs are handed in on the machine itself: this port has no encryption",
        hint:
          "Use `mesh inference` on any device of the pool, or bring the port over by " +
          "`ssh -L 8080:127.0.0.1:8080 HOST`.",
      });
    }
    guardLoopback({ method, path, headers }, socket.localPort ?? this.#options.port);
  }
}

/** The path and its segments, decoded. Throws `URIError`. */
function pathOf({ url = "/" }: IncomingMessage): [path: string, segments: string[]] {
  const [path = "/"] = url.split("?", 1);
  return [path, path.split("/").slice(1).map(decodeURIComponent)];
}

function checkPoolId(poolId: string): void {
  if (poolId.length <= POOL_ID_LENGTH_MAX && /^[0-9a-z]+$/.test(poolId)) return;
  throw new MeshError("MESH_BAD_REQUEST", { message: "that is no pool id" });
}

/** The agent checks the rest; an answer in pieces has no place in a job. */
async function readJob(request: IncomingMessage): Promise<object> {
  const body = await readJson(request, JOB_REQUEST_BYTES_MAX);
  const isObject = typeof body === "object" && body !== null && !Array.isArray(body);
  if (!isObject || typeof (body as { prompt?: unknown }).prompt !== "string") {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: 'a job is an object with a text "prompt", such as {"prompt":"Hello world"}',
      hint: "Other fields are those of POST /v1/completions: model, max_tokens, temperature, seed.",
    });
  }
  return { ...body, stream: false };
}

function noneFree(from: number, to: number, cause: MeshError): MeshError {
  return new MeshError("MESH_PORT_TAKEN", {
    message: `all ports from ${from} to ${to} are in use by other programs`,
    hint: "Choose others with `--port`, or stop one of those programs.",
    cause,
  });
}
