/** What the agent holds of a worker's process: calls and events over its channel. */
import {
  type ErrorRecord,
  errorFields,
  fromErrorRecord,
  MeshError,
  parseNodeId,
  type Timer,
} from "@hearthmesh/core";
import { EventQueue } from "./event-queue.js";
import type { GenerateRequest, GenerationEvent } from "./generation.js";
import { WORKER_START_MS_MAX, WORKER_STOP_MS_MAX } from "./limits.js";
import type { RingPlan } from "./ring-plan.js";
import type { RingFailure, RingWorkerStats } from "./ring-worker.js";
import type { RestartableRingWorker, RingWorkerOptions } from "./ring-worker-options.js";
import type { RingCredentials } from "./tensor-plane.js";
import { type AgentMessage, checkWorkerMessage, type WorkerMessage } from "./worker-messages.js";

/** The part of a child process that is used. */
export interface WorkerProcess {
  readonly pid?: number | undefined;
  readonly connected: boolean;
  send(message: AgentMessage, callback: (error: Error | null) => void): boolean;
  kill(signal: "SIGKILL"): boolean;
  on(event: "message", listener: (message: unknown) => void): unknown;
  on(event: "exit", listener: (code: number | null, signal: string | null) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

interface WorkerHandleOptions extends RingWorkerOptions {
  fork(): WorkerProcess;
}

interface Call {
  resolve(stats: RingWorkerStats | undefined): void;
  reject(error: MeshError): void;
}

interface Live {
  readonly process: WorkerProcess;
  readonly exited: Promise<void>;
}

export class WorkerHandle implements RestartableRingWorker {
  readonly #options: WorkerHandleOptions;
  readonly #calls = new Map<number, Call>();
  readonly #requests = new Map<number, EventQueue>();
  readonly #listeners = new Set<(failure: RingFailure) => void>();
  #credentials: RingCredentials;
  #live: Live | undefined;
  #port: number;
  #lastNumber = 0;
  #epoch = 0;
  #isClosed = false;

  constructor(options: WorkerHandleOptions) {
    this.#options = options;
    this.#credentials = options.credentials;
    this.#port = options.listen.port;
  }

  get port(): number {
    return this.#port;
  }

  get processId(): number | undefined {
    return this.#live?.process.pid;
  }

  async restart(): Promise<void> {
    if (this.#isClosed) throw new MeshError("MESH_STOPPING");
    if (this.#live !== undefined) return;
    try {
      this.#port = await this.#start(this.#port);
    } catch (error) {
      if (this.#port === this.#options.listen.port) throw error;
      this.#port = await this.#start(this.#options.listen.port);
    }
  }

  setCredentials(credentials: RingCredentials): void {
    this.#credentials = credentials;
    this.#send({ kind: "credentials", credentials });
  }

  async load(plan: RingPlan, path: string, signal: AbortSignal): Promise<void> {
    this.#epoch = Math.max(this.#epoch, plan.epoch);
    const call = ++this.#lastNumber;
    const onAbort = () => {
      this.#send({ kind: "abort", call });
      this.#calls.get(call)?.reject(new MeshError("MESH_CANCELLED"));
    };
    if (signal.aborted) throw new MeshError("MESH_CANCELLED");
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#call(call, { kind: "load", call, plan, path });
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  async stats(): Promise<RingWorkerStats> {
    const call = ++this.#lastNumber;
    const stats = await this.#call(call, { kind: "stats", call });
    if (stats === undefined) throw new MeshError("MESH_PROTOCOL");
    return stats;
  }

  async *generate(request: GenerateRequest, signal: AbortSignal): AsyncIterable<GenerationEvent> {
    if (signal.aborted) throw new MeshError("MESH_CANCELLED");
    if (this.#live === undefined) throw notThere();
    const id = ++this.#lastNumber;
    const queue = new EventQueue((events) => this.#send({ kind: "taken", id, events }));
    const onAbort = () => queue.fail(new MeshError("MESH_CANCELLED"));
    signal.addEventListener("abort", onAbort, { once: true });
    this.#requests.set(id, queue);
    this.#send({ kind: "generate", id, request });
    try {
      for (;;) {
        const event = await queue.next();
        if (signal.aborted) throw new MeshError("MESH_CANCELLED");
        yield event;
        if (event.kind === "done") return;
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      // Still there: it is neither done nor failed, so nobody wants the rest.
      if (this.#requests.delete(id)) this.#send({ kind: "cancel", id });
    }
  }

  onFailure(listener: (failure: RingFailure) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  kill(): void {
    this.#live?.process.kill("SIGKILL");
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const live = this.#live;
    if (live === undefined) return;
    this.#send({ kind: "close" });
    const { clock } = this.#options;
    const timer = clock.setTimeout(() => live.process.kill("SIGKILL"), WORKER_STOP_MS_MAX);
    await live.exited;
    timer.cancel();
  }

  #start(port: number): Promise<number> {
    const child = this.#options.fork();
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const settle = (answer: number | MeshError) => {
        timer?.cancel();
        if (typeof answer === "number") resolve(answer);
        else {
          child.kill("SIGKILL");
          reject(answer);
        }
      };
      const late = new MeshError("MESH_ENGINE_FAILED", { message: "the worker did not start" });
      timer = this.#options.clock.setTimeout(() => settle(late), WORKER_START_MS_MAX);
      const exited = new Promise<void>((ended) => {
        const onEnd = (reason: string) => {
          settle(new MeshError("MESH_ENGINE_FAILED", { message: reason }));
          this.#onExit(child, reason);
          ended();
        };
        child.on("exit", (code, signal) => onEnd(`the worker ended with ${signal ?? code}`));
        child.on("error", (error) => onEnd(`the worker failed: ${error.message}`));
      });
      this.#live = { process: child, exited };
      child.on("message", (message) => this.#onMessage(child, message, settle));
      this.#send({ kind: "start", settings: this.#settings(port) });
    });
  }

  #settings(port: number) {
    const { nodeId, listen, engine, libraryFolder, threads, memoryBytesMax } = this.#options;
    const { sequencesMax, batchRowsMax, device = "auto" } = this.#options;
    const { host } = listen;
    const credentials = this.#credentials;
    return {
      ...{ credentials, nodeId, host, port, engine, libraryFolder, device, threads },
      ...{ memoryBytesMax, sequencesMax, batchRowsMax },
    };
  }

  #send(message: AgentMessage): void {
    const child = this.#live?.process;
    // A process that is gone is told of by its exit.
    if (child?.connected === true) child.send(message, () => undefined);
  }

  #call(call: number, message: AgentMessage): Promise<RingWorkerStats | undefined> {
    if (this.#live === undefined) return Promise.reject(notThere());
    const answer = new Promise<RingWorkerStats | undefined>((resolve, reject) => {
      this.#calls.set(call, { resolve, reject });
    });
    this.#send(message);
    return answer.finally(() => this.#calls.delete(call));
  }

  #onMessage(
    child: WorkerProcess,
    raw: unknown,
    settle: (answer: number | MeshError) => void,
  ): void {
    if (this.#live?.process !== child) return;
    let message: WorkerMessage;
    try {
      message = checkWorkerMessage(raw);
    } catch (error) {
      this.#options.logger.error("worker: a message was refused", errorFields(error));
      return;
    }
    if (message.kind === "started") settle(message.port);
    else if (message.kind === "not-started") settle(fromErrorRecord(message.error));
    else this.#onNews(message);
  }

  #onNews(message: WorkerMessage): void {
    switch (message.kind) {
      case "answer":
        this.#onAnswer(message.call, message.stats, message.error);
        break;
      case "event":
        this.#onEvent(message.id, message.event);
        break;
      case "failed": {
        const queue = this.#requests.get(message.id);
        this.#requests.delete(message.id);
        queue?.fail(fromErrorRecord(message.error));
        break;
      }
      case "failure": {
        const { epoch, nodeId, error } = message;
        const failed = nodeId === undefined ? undefined : parseNodeId(nodeId);
        this.#tellFailure({ epoch, nodeId: failed, error: fromErrorRecord(error) });
        break;
      }
      case "log":
        this.#options.logger[message.level](message.message, message.fields);
        break;
    }
  }

  #onAnswer(
    call: number,
    stats: RingWorkerStats | undefined,
    error: ErrorRecord | undefined,
  ): void {
    const waiting = this.#calls.get(call);
    if (error === undefined) waiting?.resolve(stats);
    else waiting?.reject(fromErrorRecord(error));
  }

  #onEvent(id: number, event: GenerationEvent): void {
    const queue = this.#requests.get(id);
    if (event.kind === "done") this.#requests.delete(id);
    queue?.push(event);
  }

  #onExit(child: WorkerProcess, reason: string): void {
    if (this.#live?.process !== child) return;
    this.#live = undefined;
    const error = new MeshError("MESH_ENGINE_FAILED", { message: reason });
    for (const call of this.#calls.values()) call.reject(error);
    for (const queue of this.#requests.values()) queue.fail(error);
    this.#requests.clear();
    if (this.#isClosed) return;
    this.#options.logger.error(reason, { epoch: this.#epoch });
    this.#tellFailure({ epoch: this.#epoch, nodeId: undefined, error });
  }

  #tellFailure(failure: RingFailure): void {
    for (const listener of this.#listeners) listener(failure);
  }
}

function notThere(): MeshError {
  return new MeshError("MESH_RING_NOT_READY", { message: "the worker's process is not there" });
}
