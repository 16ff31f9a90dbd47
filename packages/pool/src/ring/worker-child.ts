/** The worker's side of the channel to the agent: messages to calls of the core, and back. */
import {
  type Clock,
  errorFields,
  type LogFields,
  type Logger,
  MeshError,
  parseNodeId,
  toErrorRecord,
} from "@hearthmesh/core";
import { TextModel } from "../chat/text-model.js";
import { openGgmlEngine } from "../engine/ggml/open-ggml-engine.js";
import { readModel } from "../engine/read-model.js";
import { openReferenceEngine } from "../engine/reference/open-reference-engine.js";
import type { EngineOptions, ShardEngine } from "../engine/shard-engine.js";
import { requireLittleEndian } from "./frame-codec.js";
import { KeptReader } from "./kept-reader.js";
import { requestReader } from "./model-answer.js";
import { TensorPlane } from "./tensor-plane.js";
import { WorkerCore } from "./worker-core.js";
import type { AgentMessage, WorkerMessage, WorkerSettings } from "./worker-messages.js";

export interface WorkerChildOptions {
  readonly clock: Clock;
  send(message: WorkerMessage): void;
  /** Everything is closed. */
  onClosed(): void;
}

export class WorkerChild {
  readonly #options: WorkerChildOptions;
  readonly #loads = new Map<number, AbortController>();
  readonly #logger: Logger;
  #plane: TensorPlane | undefined;
  #core: WorkerCore | undefined;
  #isStarted = false;

  constructor(options: WorkerChildOptions) {
    this.#options = options;
    this.#logger = loggerTo((message) => options.send(message));
  }

  async onMessage(message: AgentMessage): Promise<void> {
    if (message.kind === "start") await this.#start(message.settings);
    else if (message.kind === "close") await this.close();
    else if (this.#core !== undefined) await this.#tell(this.#core, message);
  }

  async close(): Promise<void> {
    await this.#core?.close();
    this.#options.onClosed();
  }

  async #start(settings: WorkerSettings): Promise<void> {
    if (this.#isStarted) return;
    this.#isStarted = true;
    const { send, clock } = this.#options;
    try {
      requireLittleEndian();
      const { credentials, host, port } = settings;
      const plane = new TensorPlane({ credentials, host, port, clock, logger: this.#logger });
      await plane.start();
      this.#plane = plane;
      this.#core = this.#makeCore(settings, plane);
      send({ kind: "started", port: plane.port });
    } catch (error) {
      send({ kind: "not-started", error: toErrorRecord(startError(error)) });
    }
  }

  #makeCore(settings: WorkerSettings, plane: TensorPlane): WorkerCore {
    const { send, clock } = this.#options;
    const { threads, memoryBytesMax, sequencesMax, batchRowsMax } = settings;
    const readers = new KeptReader(async (path) =>
      requestReader(new TextModel((await readModel(path)).gguf)),
    );
    return new WorkerCore({
      ...{ plane, threads, memoryBytesMax, sequencesMax, batchRowsMax, clock },
      nodeId: parseNodeId(settings.nodeId),
      logger: this.#logger,
      openEngine: engineOpener(settings, this.#logger),
      readRequests: (modelId, path) => readers.get(modelId, path),
      yieldThen: (callback) => void setImmediate(callback),
      onEvent: (id, event) => send({ kind: "event", id, event }),
      onFailed: (id, error) => send({ kind: "failed", id, error: toErrorRecord(error) }),
      onFailure: ({ epoch, nodeId, error }) =>
        send({ kind: "failure", epoch, nodeId, error: toErrorRecord(error) }),
    });
  }

  async #tell(core: WorkerCore, message: AgentMessage): Promise<void> {
    switch (message.kind) {
      case "load":
        await this.#load(core, message);
        break;
      case "stats":
        this.#answer(message.call, () => ({ stats: core.stats() }));
        break;
      case "abort":
        this.#loads.get(message.call)?.abort(new MeshError("MESH_CANCELLED"));
        break;
      case "credentials":
        this.#plane?.setCredentials(message.credentials);
        break;
      case "generate":
        core.generate(message.id, message.request);
        break;
      case "cancel":
        core.cancel(message.id);
        break;
      case "taken":
        core.taken(message.id, message.events);
        break;
    }
  }

  async #load(core: WorkerCore, message: AgentMessage & { kind: "load" }): Promise<void> {
    const { call, plan, path } = message;
    const controller = new AbortController();
    this.#loads.set(call, controller);
    try {
      await core.load(plan, path, controller.signal);
      this.#answer(call, () => ({}));
    } catch (error) {
      this.#logger.warn("ring: a plan was not loaded", errorFields(error));
      this.#answer(call, () => {
        throw error;
      });
    } finally {
      this.#loads.delete(call);
    }
  }

  #answer(call: number, make: () => object): void {
    try {
      this.#options.send({ kind: "answer", call, ...make() });
    } catch (error) {
      this.#options.send({ kind: "answer", call, error: toErrorRecord(error) });
    }
  }
}

function engineOpener(
  { engine, libraryFolder, device }: WorkerSettings,
  logger: Logger,
): (options: EngineOptions) => Promise<ShardEngine> {
  return engine === "reference"
    ? openReferenceEngine
    : (options) => openGgmlEngine(options, { logger, libraryFolder, device });
}

function startError(error: unknown): unknown {
  if (error instanceof MeshError) return error;
  const { reason = "" } = errorFields(error);
  return new MeshError("MESH_RING_NOT_READY", { message: `the tensor plane: ${reason}` });
}

function loggerTo(send: (message: WorkerMessage) => void, more: LogFields = {}): Logger {
  const at =
    (level: "debug" | "info" | "warn" | "error") => (message: string, fields?: LogFields) =>
      send({ kind: "log", level, message, fields: { ...more, ...fields } });
  return {
    ...{ debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
    child: (fields) => loggerTo(send, { ...more, ...fields }),
  };
}
