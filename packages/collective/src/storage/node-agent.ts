/**
 * Keeps a node registered with the coordinator that leads: dials, registers, reports, and begins
 * again when the link is lost or another coordinator leads, for as long as it runs.
 *
 *     idle --start--> connecting --registered--> online --link lost--> connecting ...
 *     connecting --failed--> waiting --delay over--> connecting;   any --stop--> stopped
 *     online, waiting --another leads--> connecting, at once
 *
 * Invariants: at most one link is open at a time; `registration` is that of the last answer and
 * stays while the coordinator is away, so that tickets keep working. Errors never leave the loop:
 * they are logged, shown in `state`, and answered with a delay (`reconnect.ts`).
 */
import {
  type Clock,
  decodeMessage,
  encodeMessage,
  errorFields,
  fromWireError,
  type Logger,
  MeshError,
  type Random,
  type Startable,
  sleep,
} from "@hearthmesh/core";
import type { Link } from "@hearthmesh/qwormhole";
import { type Leader, leaderNamedBy } from "../leadership/leadership.js";
import type {
  CoordinatorPlace,
  NodeRegisterRequest,
  NodeRegisterResponse,
  NodeReportRequest,
  NodeReportResponse,
} from "../protocol.js";
import type { StorageReport } from "../types.js";
import { CLOCKS_APART_MS, type CoordinatorTime } from "./coordinator-time.js";
import type { Registration } from "./node-access.js";
import { RECEIPT_KEY_BYTES } from "./receipts.js";
import { RECONNECT_POLICY, type ReconnectPolicy, reconnectDelayMs } from "./reconnect.js";
import type { SeenMarkKeeper } from "./seen-mark.js";
import { readTicketVoids } from "./ticket-voids.js";

/** The coordinator says how often to report; never more often than this. */
const REPORT_INTERVAL_MS_MIN = 100;
const REQUEST_TIMEOUT_MS = 10_000;

export interface NodeAgentOptions {
  /** A fresh link to the coordinator; it must verify that it is the coordinator. */
  readonly dialCoordinator: (signal: AbortSignal) => Promise<Link>;
  /** Called when the agent is done with that link; by default the link is closed. */
  readonly releaseLink?: (link: Link) => Promise<void>;
  /** What to register with, but for the report. Asked each time: addresses may change. */
  readonly describe: () => Omit<NodeRegisterRequest, "report">;
  /** For storage nodes. */
  readonly report?: () => Promise<StorageReport>;
  /** Called after each registration, before it counts as online. */
  readonly onRegistered: (response: NodeRegisterResponse, registration: Registration) => void;
  /** A coordinator refused because another one leads: dial that one from now on. */
  readonly onOtherLeader?: (leader: Leader) => void;
  /** What time it is at the coordinator; every answer says it. */
  readonly time?: CoordinatorTime;
  /** How far the coordinator was; told to it at each registration. */
  readonly seen?: SeenMarkKeeper;
  /** Called when a report's answer names another layout or epoch than is known. */
  readonly onChanged?: (response: NodeReportResponse) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly policy?: ReconnectPolicy;
}

export interface NodeAgentState {
  readonly phase: "idle" | "connecting" | "online" | "waiting" | "stopped";
  /** Attempts that failed since the last success. */
  readonly failures: number;
  readonly lastError?: MeshError;
  /** What the coordinator answered to the last registration. */
  readonly response?: NodeRegisterResponse;
  /** The layout version and epoch that it named last, then or in answer to a report. */
  readonly latest?: NodeReportResponse;
}

export class NodeAgent implements Startable {
  readonly name = "node-agent";
  readonly #options: NodeAgentOptions;
  readonly #log: Logger;
  readonly #abort = new AbortController();
  #state: NodeAgentState = { phase: "idle", failures: 0 };
  #loop: Promise<void> | undefined;
  /** Ends the present link, or the present wait, and dials anew. */
  #again = new AbortController();

  constructor(options: NodeAgentOptions) {
    this.#options = options;
    this.#log = options.log.child({ part: "node-agent" });
  }

  get state(): NodeAgentState {
    return this.#state;
  }

  /** Resolves at once; the first registration may take as long as the coordinator is away. */
  async start(): Promise<void> {
    this.#loop ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort(new MeshError("MESH_STOPPING"));
    await this.#loop;
    this.#state = { ...this.#state, phase: "stopped" };
  }

  /** Another coordinator leads: registers with it at once. */
  reconnect(): void {
    this.#again.abort();
  }

  async #run(): Promise<void> {
    const { clock, random, policy = RECONNECT_POLICY } = this.#options;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      if (this.#again.signal.aborted) this.#again = new AbortController();
      await this.#stayOnline();
      if (signal.aborted) return;
      const failures = Math.max(1, this.#state.failures);
      const delayMs = reconnectDelayMs(policy, failures, random);
      this.#state = { ...this.#state, phase: "waiting" };
      const either = AbortSignal.any([signal, this.#again.signal]);
      await sleep(clock, delayMs, either).catch(() => undefined);
    }
  }

  /** One link from dialling to its end. */
  async #stayOnline(): Promise<void> {
    this.#state = { ...this.#state, phase: "connecting" };
    let link: Link | undefined;
    try {
      const either = AbortSignal.any([this.#abort.signal, this.#again.signal]);
      link = await this.#options.dialCoordinator(either);
      const intervalMs = await this.#register(link);
      await this.#reportUntilClosed(link, intervalMs);
    } catch (error) {
      const lastError = fromWireError(error);
      const leader = leaderNamedBy(lastError);
      if (leader !== undefined) this.#options.onOtherLeader?.(leader);
      // Who is sent on to another coordinator has not failed.
      const failures = leader === undefined ? this.#state.failures + 1 : 0;
      this.#state = { ...this.#state, failures, lastError };
      if (!this.#abort.signal.aborted && !this.#again.signal.aborted) {
        this.#log.warn("not connected to the coordinator", {
          attempt: failures,
          ...errorFields(lastError),
        });
      }
    } finally {
      if (link !== undefined) await this.#release(link).catch(() => undefined);
    }
  }

  #release(link: Link): Promise<void> {
    const { releaseLink = (done: Link) => done.close("the node is done with this link") } =
      this.#options;
    return releaseLink(link);
  }

  async #register(link: Link): Promise<number> {
    const { describe, report, onRegistered, seen } = this.#options;
    const request: NodeRegisterRequest = {
      ...describe(),
      ...(report === undefined ? {} : { report: await report() }),
      ...(seen?.mark === undefined ? {} : { seen: seen.mark }),
    };
    const response = await this.#ask<NodeRegisterResponse>(link, "node.register", request);
    const receiptKey = Buffer.from(String(response.receiptKey), "base64url");
    if (receiptKey.length !== RECEIPT_KEY_BYTES || !Number.isSafeInteger(response.epoch)) {
      throw new MeshError("MESH_PROTOCOL", { message: "the coordinator's answer is not complete" });
    }
    onRegistered(response, {
      receiptKey,
      epoch: response.epoch,
      voids: readTicketVoids(response.voids ?? []),
      coordinatorPublicKey: link.peer.publicKey,
    });
    const latest = { layoutVersion: response.layout.version, epoch: response.epoch };
    this.#state = { phase: "online", failures: 0, response, latest };
    this.#log.info("registered with the coordinator", {
      peerAddress: link.peer.remoteAddress,
      ...latest,
    });
    this.#warnOfClocks();
    return Math.max(REPORT_INTERVAL_MS_MIN, Number(response.reportIntervalMs) || 0);
  }

  /** Throws when a report fails or the link closes; returns when the agent stops. */
  async #reportUntilClosed(link: Link, intervalMs: number): Promise<void> {
    const { clock, report } = this.#options;
    const over = new AbortController();
    const onStop = () => over.abort();
    this.#abort.signal.addEventListener("abort", onStop, { once: true });
    this.#again.signal.addEventListener("abort", onStop, { once: true });
    // It may have happened while the node dialled or registered.
    if (this.#again.signal.aborted) onStop();
    const closed = link.closed.then(({ error }) => {
      over.abort();
      return error;
    });
    try {
      while (!over.signal.aborted) {
        const isTime = await sleep(clock, intervalMs, over.signal).then(
          () => true,
          () => false,
        );
        if (isTime && report !== undefined) await this.#sendReport(link, await report());
      }
      if (this.#abort.signal.aborted || this.#again.signal.aborted) return;
      throw (await closed) ?? new MeshError("MESH_UNREACHABLE", { message: "the link has ended" });
    } finally {
      this.#abort.signal.removeEventListener("abort", onStop);
    }
  }

  async #sendReport(link: Link, report: StorageReport): Promise<void> {
    const request: NodeReportRequest = { report };
    const answer = await this.#ask<NodeReportResponse>(link, "node.report", request);
    const { latest } = this.#state;
    this.#state = { ...this.#state, latest: answer };
    const isSame = answer.epoch === latest?.epoch && answer.layoutVersion === latest.layoutVersion;
    if (!isSame) this.#options.onChanged?.(answer);
  }

  /** Nothing here goes by the own clock, but certificates and what people read do. */
  #warnOfClocks(): void {
    const aheadMs = this.#options.time?.aheadMs ?? 0;
    if (Math.abs(aheadMs) < CLOCKS_APART_MS) return;
    const which = aheadMs > 0 ? "ahead of" : "behind";
    this.#log.warn(`this node's clock is ${which} its coordinator's: set them right`, {
      delayMs: Math.round(Math.abs(aheadMs)),
    });
  }

  async #ask<Answer extends CoordinatorPlace & { epoch: number }>(
    link: Link,
    method: string,
    request: object,
  ): Promise<Answer> {
    const { clock, time, seen } = this.#options;
    const askedMs = clock.monotonicMs();
    const body = await link.request(method, encodeMessage(request), {
      signal: this.#abort.signal,
      timeoutMs: REQUEST_TIMEOUT_MS,
      priority: "control",
    });
    const { header } = decodeMessage<Answer>(body);
    time?.heard(header.nowMs, askedMs);
    seen?.heard(header);
    return header;
  }
}
