/** A simulated machine that runs a `QWormholeClient` of several endpoints, and what watches it. */
import { QWormholeClient, type Transport } from "@hearthmesh/qwormhole";
import type { NumberedMessage } from "./checkers/message-checker.js";
import {
  FACADE_LIMITS,
  FAIL_BACK_MS,
  type FacadeHarness,
  PORT,
  QUEUE_WAIT_MS,
  RECONNECT,
} from "./facade-settings.js";
import type { SeededRandom } from "./seeded-random.js";
import type { ClockView } from "./virtual-clock.js";

/** No client dials sooner than this after a failure, whatever it draws. */
const DELAY_FLOOR_MS = 100;
const SPEAK_MS_MAX = 300;
const LENGTH_MAX = 6000;
const REQUEST_TIMEOUT_MS = 3000;
const LANES = ["control", "rpc", "gossip", "bulk"] as const;

export class FacadeClient {
  readonly name: string;
  readonly client: QWormholeClient;
  readonly clock: ClockView;
  readonly #world: FacadeHarness;
  readonly #random: SeededRandom;
  #taken = 0;
  #attempt = 0;
  #connectedMs = Number.NEGATIVE_INFINITY;
  #notBeforeMs = 0;
  /** The endpoint that is dialled next while there is no connection. */
  #nextDial = 0;
  readonly #servers: readonly string[];
  /** When messages were taken, by lane. */
  readonly #takenMs = new Map<string, number[]>();
  #stalledUntilMs = 0;
  #speaking = true;
  /** Requests that have not ended. */
  pending = 0;
  /** Messages that the last lane of an unreliable kind dropped. */
  gossipDrops = 0;
  reconnects = 0;

  constructor(world: FacadeHarness, name: string, servers: readonly string[]) {
    this.name = name;
    this.#servers = servers;
    this.#world = world;
    this.#random = world.random.fork(`client ${name}`);
    this.clock = world.clock.view();
    this.client = new QWormholeClient({
      ...FACADE_LIMITS,
      endpoints: servers.map((host) => ({ host, port: PORT })),
      failBackMs: FAIL_BACK_MS,
      reconnect: RECONNECT,
      connectTimeoutMs: FACADE_LIMITS.handshakeTimeoutMs,
      queueWaitMs: QUEUE_WAIT_MS,
      transport: this.#watched(world.network.transport(name)),
      clock: this.clock,
      random: this.#random.fork("facade"),
      identity: world.identity(name),
      handshakeTags: { name },
    });
    this.#listen();
  }

  async start(): Promise<void> {
    await this.client.subscribe("news.>", (value) => this.#heard(value as NumberedMessage));
    // Settles when it is connected, or when the run ends it before.
    this.client.connect().catch(() => {});
    this.#speak();
  }

  stall(forMs: number): void {
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.clock.monotonicMs() + forMs);
    this.clock.stall(forMs);
    this.#world.network.stall(this.name, forMs);
  }

  hush(): void {
    this.#speaking = false;
  }

  /** Sends what is numbered; answers it when the client took it. */
  send(lane: (typeof LANES)[number], length: number): NumberedMessage | undefined {
    const { messages } = this.#world;
    const message = messages.next(`${this.name}>`, lane, length, this.clock.monotonicMs());
    // It may be handed on before `send` returns.
    messages.sent(message);
    try {
      this.client.send(message, { priority: lane });
    } catch (error) {
      const { code } = error as { code?: string };
      this.#checkRefusal(lane, code);
      messages.unsent(message);
      return undefined;
    }
    this.#taken++;
    const times = this.#takenMs.get(lane) ?? [];
    times.push(message.sentMs);
    this.#takenMs.set(lane, times);
    return message;
  }

  /** What was taken was handed on, was dropped and counted, or waits. */
  check(): void {
    const { violations, messages } = this.#world;
    const { messagesOut, queuedMessages, drops } = this.client.metrics;
    const { invalid, ...lost } = drops;
    const dropped = Object.values(lost).reduce((sum, count) => sum + count, 0);
    if (messagesOut + queuedMessages + dropped !== this.#taken) {
      const found = `${messagesOut} out, ${queuedMessages} waiting, ${dropped} dropped`;
      violations.add(`${this.name} took ${this.#taken} messages, but has ${found}`);
    }
    if (lost.refused + lost.closed > 0) violations.add(`${this.name} dropped what may wait`);
    if (invalid > 0) violations.add(`${this.name} could not read ${invalid} messages`);
    for (const lane of LANES) {
      const missing = messages.missing(`${this.name}>`, lane);
      const allowed = lane === "gossip" ? this.gossipDrops : 0;
      if (missing > allowed) violations.add(`${missing} of ${this.name}'s ${lane} are missing`);
    }
  }

  /** A server that is dead is noticed, however silent the network is about it. */
  checkLife(nowMs: number): void {
    const process = String(this.client.handshake?.tags.process);
    const diedMs = this.#world.deathMs(process);
    if (!this.client.isConnected || diedMs === undefined) return;
    const { deadAfterMs, pingIntervalMs } = FACADE_LIMITS;
    const silentMs = nowMs - Math.max(diedMs, this.#stalledUntilMs);
    if (silentMs > deadAfterMs + 2 * pingIntervalMs) {
      this.#world.violations.add(`${this.name} clings to ${process}, dead for ${silentMs} ms`);
    }
  }

  /** Only a queue that is full of messages that may still go refuses one. */
  #checkRefusal(lane: string, code: string | undefined): void {
    const { violations } = this.#world;
    if (code !== "QW_QUEUE_FULL") violations.add(`${this.name} cannot send: ${code}`);
    if (this.client.connection !== undefined) return;
    const oldestMs = this.clock.monotonicMs() - QUEUE_WAIT_MS;
    const waiting = (this.#takenMs.get(lane) ?? []).filter((sentMs) => sentMs >= oldestMs).length;
    if (waiting < FACADE_LIMITS.channels.rpc.queueMessagesMax) {
      violations.add(`${this.name}'s ${lane} is full of ${waiting} messages`);
    }
  }

  #listen(): void {
    const { client, name } = this;
    const { trace, violations } = this.#world;
    client.on("message", (value) => this.#heard(value as NumberedMessage));
    client.on("invalidMessage", ({ error }) => violations.add(`${name}: ${error.message}`));
    client.on("connect", () => {
      trace.record(name, `is at ${client.metrics.endpoint}`);
      this.#connectedMs = this.clock.monotonicMs();
    });
    client.on("disconnect", ({ error }) => {
      trace.record(name, `lost it: ${(error as { code?: string })?.code ?? "-"}`);
      const lastedMs = this.clock.monotonicMs() - this.#connectedMs;
      if (lastedMs >= RECONNECT.stableAfterMs) this.#attempt = 0;
    });
    client.on("failback", () => {
      this.#attempt = 0;
    });
    client.on("reconnecting", (event) => this.#checkReconnecting(event));
    client.on("drop", ({ messages, priority }) => {
      if (priority === "gossip") this.gossipDrops += messages;
    });
    client.on("close", ({ error }) => {
      if (this.#speaking) violations.add(`${name} gave up: ${error?.message}`);
    });
  }

  #heard(message: NumberedMessage): void {
    const connection = this.client.connection;
    const over = `${message.flow} to ${this.name} ${connection?.id}`;
    this.#world.messages.received(message, over, this.name);
  }

  /** The back-off: each wait within its bounds, counted on until a connection was stable. */
  #checkReconnecting({ attempt, delayMs }: { attempt: number; delayMs: number }): void {
    const { violations, trace } = this.#world;
    trace.record(this.name, `attempt ${attempt} in ${delayMs} ms`);
    const expected = ++this.#attempt;
    this.reconnects++;
    if (attempt !== expected) {
      violations.add(`${this.name}: attempt ${attempt} where ${expected} was due`);
      this.#attempt = attempt;
    }
    const { initialDelayMs, multiplier, maxDelayMs } = RECONNECT;
    const ceilingMs = Math.min(maxDelayMs, initialDelayMs * multiplier ** (attempt - 1));
    if (delayMs < DELAY_FLOOR_MS || delayMs > ceilingMs) {
      violations.add(`${this.name} waits ${delayMs} ms before attempt ${attempt}`);
    }
    this.#notBeforeMs = this.clock.monotonicMs() + delayMs;
    this.#nextDial = 0;
  }

  /** Notes each dial. */
  #watched(inner: Transport): Transport {
    const { trace, violations } = this.#world;
    return {
      listen: (address, onChannel) => inner.listen(address, onChannel),
      dial: (address, options) => {
        trace.record(this.name, `dials ${address.host}`);
        if (this.client.connection === undefined) {
          if (this.clock.monotonicMs() < this.#notBeforeMs) {
            violations.add(`${this.name} dials ${address.host} before its wait is over`);
          }
          const due = this.#servers[this.#nextDial++];
          if (address.host !== due) {
            violations.add(`${this.name} dials ${address.host} and not ${due}`);
          }
        }
        return inner.dial(address, options);
      },
    };
  }

  #speak(): void {
    if (!this.#speaking) return;
    const random = this.#random;
    for (let burst = random.integer(1, 6); burst > 0; burst--) {
      this.send(random.pick(LANES), random.integer(1, LENGTH_MAX));
    }
    if (random.chance(0.3)) void this.#request(random.chance(0.5));
    this.clock.setTimeout(() => this.#speak(), random.integer(10, SPEAK_MS_MAX));
  }

  async #request(idempotent: boolean): Promise<void> {
    const { violations } = this.#world;
    const value = `${this.name} ${this.clock.monotonicMs()} ${this.#random.integer(0, 1 << 30)}`;
    const method = idempotent ? "ask" : "do";
    const options = { idempotent, timeoutMs: REQUEST_TIMEOUT_MS };
    this.pending++;
    try {
      const answer = await this.client.request<Record<string, string>>(method, value, options);
      if (answer[idempotent ? "asked" : "done"] !== value) {
        violations.add(`${this.name} asked ${value} and was answered ${JSON.stringify(answer)}`);
      }
    } catch (error) {
      const failure = error as { code?: string; remoteCode?: string; message: string };
      const { code = "", remoteCode = code, message } = failure;
      // The server may be the first to notice that the time is over.
      const isExpected = EXPECTED_FAILURES.has(code === "QW_REMOTE_ERROR" ? remoteCode : code);
      if (!isExpected) {
        violations.add(`${this.name}'s request failed: ${code} ${message}`);
      }
    }
    this.pending--;
  }
}

const EXPECTED_FAILURES: ReadonlySet<string> = new Set([
  "QW_REQUEST_TIMEOUT",
  "QW_NOT_CONNECTED",
  "QW_LINK_LOST",
  "QW_LINK_CLOSED",
  "QW_LINK_CLOSING",
  "QW_PEER_DEAD",
  "QW_QUEUE_FULL",
]);
