/** The node of this machine as the control plane uses it: found by its home, asked on loopback. */
import { connect, type Socket } from "node:net";
import { ApiClient, type ApiClientOptions } from "@hearthmesh/client/enrolment";
import { type RunningNode, readRunningNode } from "@hearthmesh/client/running-node";
import { type Clock, MeshError } from "@hearthmesh/core";
import type { ControlPlaneAgent, JobAnswer } from "@hearthmesh/gateway/control-plane";
import { parseEndpoint } from "@hearthmesh/identity";
import { knownCoordinators, readNodeRecord } from "../home.js";

const CONNECT_MS_MAX = 5_000;
const ANSWER_BYTES_MAX = 1024 * 1024;
/** Nothing comes of a completion that is not streamed before its end. */
const ANSWER_MS_MAX = 600_000;

export class LocalAgent implements ControlPlaneAgent {
  readonly #home: string;
  readonly #clock: Clock;

  constructor(home: string, clock: Clock) {
    this.#home = home;
    this.#clock = clock;
  }

  async isThere(): Promise<boolean> {
    return (await readRunningNode(this.#home)) !== undefined;
  }

  async servesPool(poolId: string): Promise<boolean> {
    const running = await readRunningNode(this.#home);
    if (running === undefined) return false;
    const { pools } = await this.#ask<{ pools?: readonly { poolId?: unknown }[] }>(
      running,
      "/api/pools",
    );
    return pools?.some((pool) => pool.poolId === poolId) === true;
  }

  async openEnrolment(poolId: string, signal: AbortSignal): Promise<Socket> {
    if (!(await this.servesPool(poolId))) throw new MeshError("MESH_POOL_UNKNOWN");
    const failures: string[] = [];
    for (const address of await this.#enrolmentAddresses()) {
      try {
        return await connectTo(address, signal);
      } catch (error) {
        signal.throwIfAborted();
        failures.push(`${address}: ${(error as Error).message}`);
      }
    }
    throw new MeshError("MESH_UNREACHABLE", {
      message: `the enrolment door of the pool's admin cannot be reached (${failures.join("; ")})`,
    });
  }

  async complete(body: object, signal: AbortSignal): Promise<JobAnswer> {
    const running = await readRunningNode(this.#home);
    if (running === undefined) {
      throw new MeshError("MESH_NOT_RUNNING", { message: `no node runs from ${this.#home}` });
    }
    const api = this.#open(running);
    try {
      const answer = await api.send({
        method: "POST",
        path: "/v1/completions",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal,
        idleTimeoutMs: ANSWER_MS_MAX,
      });
      const pieces: Buffer[] = [];
      let bytes = 0;
      for await (const piece of answer.body as AsyncIterable<Buffer>) {
        bytes += piece.length;
        if (bytes > ANSWER_BYTES_MAX) {
          throw new MeshError("MESH_LIMIT", { message: "the answer is too long for a job" });
        }
        pieces.push(piece);
      }
      return readCompletion(answer.status, Buffer.concat(pieces).toString("utf8"));
    } finally {
      api.close();
    }
  }

  async #enrolmentAddresses(): Promise<readonly string[]> {
    const running = await readRunningNode(this.#home);
    if (running?.enrolment !== undefined) return [running.enrolment];
    const record = await readNodeRecord(this.#home);
    if (record === undefined) return [];
    return knownCoordinators(record).flatMap(({ enrolmentAddresses }) => enrolmentAddresses);
  }

  async #ask<Answer>(running: RunningNode, path: string): Promise<Answer> {
    const api = this.#open(running);
    try {
      return await api.call<Answer>("GET", path);
    } finally {
      api.close();
    }
  }

  #open({ nodeUrl }: RunningNode): ApiClient {
    const options: ApiClientOptions = { loopbackUrl: nodeUrl, clock: this.#clock };
    return new ApiClient(options);
  }
}

function connectTo(address: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...parseEndpoint(address), timeout: CONNECT_MS_MAX });
    const giveUp = () => socket.destroy(new MeshError("MESH_CANCELLED"));
    signal.addEventListener("abort", giveUp, { once: true });
    socket.once("timeout", () => socket.destroy(new MeshError("MESH_TIMEOUT")));
    socket.once("error", reject);
    socket.once("connect", () => {
      signal.removeEventListener("abort", giveUp);
      socket.off("error", reject);
      socket.setTimeout(0);
      // Whoever joins the two ends listens from now on.
      socket.on("error", () => socket.destroy());
      resolve(socket);
    });
  });
}

interface Completion {
  model?: unknown;
  choices?: readonly { text?: unknown; finish_reason?: unknown }[];
  usage?: { prompt_tokens?: unknown; completion_tokens?: unknown };
  error?: { message?: unknown };
  detail?: unknown;
}

/** Throws what the agent answered; `MESH_PROTOCOL` for what is no completion. */
function readCompletion(status: number, text: string): JobAnswer {
  let answer: Completion;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new MeshError("MESH_PROTOCOL", { message: `the agent answered with ${status}`, cause });
  }
  if (status >= 400) {
    const said = answer.error?.message ?? answer.detail;
    const message = typeof said === "string" ? said : `the agent answered with ${status}`;
    throw new MeshError(status >= 500 ? "MESH_UPSTREAM_FAILED" : "MESH_BAD_REQUEST", { message });
  }
  const [choice] = answer.choices ?? [];
  if (typeof choice?.text !== "string") {
    throw new MeshError("MESH_PROTOCOL", { message: "the agent's answer is no completion" });
  }
  const number = (value: unknown) => (typeof value === "number" ? value : 0);
  return {
    text: choice.text,
    model: String(answer.model ?? ""),
    finishReason: String(choice.finish_reason ?? ""),
    promptTokens: number(answer.usage?.prompt_tokens),
    completionTokens: number(answer.usage?.completion_tokens),
  };
}
