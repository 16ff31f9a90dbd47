/** The coordinator's `file.*` methods with their types, deadlines and retries. */
import { type Clock, MeshError, type Random } from "@hearthmesh/core";
import type {
  FileAbortRequest,
  FileBeginRequest,
  FileBeginResponse,
  FileCommitRequest,
  FileCommitResponse,
  FileDamagedRequest,
  FileDamagedResponse,
  FileListRequest,
  FileListResponse,
  FileMakeDirectoryRequest,
  FileMoveRequest,
  FileOpenRequest,
  FileOpenResponse,
  FilePutRequest,
  FilePutResponse,
  FileRecallRequest,
  FileRemoveRequest,
  FileRemoveResponse,
  FileSegmentRequest,
  FileSegmentResponse,
  FileStatRequest,
  FileStatResponse,
  FileTicketRequest,
  FileTicketResponse,
} from "../protocol.js";
import type { CoordinatorPort } from "./ports.js";
import { retrying, withTimeout } from "./waiting.js";

export interface FileMethods {
  "file.put": [FilePutRequest, FilePutResponse];
  "file.begin": [FileBeginRequest, FileBeginResponse];
  "file.ticket": [FileTicketRequest, FileTicketResponse];
  "file.segment": [FileSegmentRequest, FileSegmentResponse];
  "file.commit": [FileCommitRequest, FileCommitResponse];
  "file.abort": [FileAbortRequest, object];
  "file.open": [FileOpenRequest, FileOpenResponse];
  "file.recall": [FileRecallRequest, object];
  "file.damaged": [FileDamagedRequest, FileDamagedResponse];
  "file.stat": [FileStatRequest, FileStatResponse];
  "file.list": [FileListRequest, FileListResponse];
  "file.mkdir": [FileMakeDirectoryRequest, object];
  "file.move": [FileMoveRequest, object];
  "file.remove": [FileRemoveRequest, FileRemoveResponse];
}

export interface CallOptions {
  body?: Uint8Array;
  signal?: AbortSignal | undefined;
}

/** One attempt; the coordinator answers from its own disk, so 15 s means that it is in trouble. */
const ATTEMPT_TIMEOUT_MS = 15_000;
/** Repeatable calls go on for this long, which a restart of the coordinator takes. */
const REPEAT_WITHIN_MS = 20_000;

export class FileCalls {
  readonly #port: CoordinatorPort;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #repeatWithinMs: number;

  constructor(
    port: CoordinatorPort,
    clock: Clock,
    random: Random,
    repeatWithinMs = REPEAT_WITHIN_MS,
  ) {
    this.#repeatWithinMs = repeatWithinMs;
    this.#port = port;
    this.#clock = clock;
    this.#random = random;
  }

  /** One attempt, for methods that must not be done twice. */
  once<Method extends keyof FileMethods>(
    method: Method,
    request: FileMethods[Method][0],
    options: CallOptions = {},
  ): Promise<{ header: FileMethods[Method][1]; body: Uint8Array }> {
    return withTimeout(this.#clock, ATTEMPT_TIMEOUT_MS, options.signal, async (signal) => {
      const answer = await this.#port.call(method, request, options.body, { signal });
      return { header: answer.header as FileMethods[Method][1], body: answer.body };
    });
  }

  /** Repeats while the coordinator is away, for methods that may be done twice. */
  repeated<Method extends keyof FileMethods>(
    method: Method,
    request: FileMethods[Method][0],
    options: CallOptions = {},
  ): Promise<{ header: FileMethods[Method][1]; body: Uint8Array }> {
    const retry = {
      clock: this.#clock,
      random: this.#random,
      signal: options.signal,
      withinMs: this.#repeatWithinMs,
    };
    return retrying(retry, () => this.once(method, request, options));
  }
}

/** Refuses an answer that would lead the client astray. */
export function checkAnswer(holds: boolean, what: string): void {
  if (!holds) {
    throw new MeshError("MESH_PROTOCOL", { message: `the coordinator's answer ${what}` });
  }
}
