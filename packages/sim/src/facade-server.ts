/** A simulated machine that runs a `QWormholeServer`: it may be killed and started again. */
import { QWormholeServer } from "@hearthmesh/qwormhole";
import type { NumberedMessage } from "./checkers/message-checker.js";
import { FACADE_LIMITS, type FacadeHarness, PORT, QUEUE_WAIT_MS } from "./facade-settings.js";
import type { ClockView } from "./virtual-clock.js";

/** How often it says something to all of its clients. */
const SPEAK_MS = 400;
const NEWS_LENGTH_MAX = 4000;
const CLOSE_DRAIN_MS = 500;
/** What a request that may be done once takes, so that connections end meanwhile. */
const WORK_MS_MAX = 700;

export class FacadeServer {
  readonly name: string;
  readonly #world: FacadeHarness;
  #running: { server: QWormholeServer; clock: ClockView } | undefined;
  readonly #dead = new WeakSet<QWormholeServer>();
  #starts = 0;
  /** Messages that it dropped, of all its processes. */
  drops = 0;

  constructor(world: FacadeHarness, name: string) {
    this.#world = world;
    this.name = name;
  }

  get server(): QWormholeServer | undefined {
    return this.#running?.server;
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return;
    const { network, clock, random, trace } = this.#world;
    network.bootHost(this.name);
    const view = clock.view();
    const process = `${this.name}#${++this.#starts}`;
    const server = new QWormholeServer({
      ...FACADE_LIMITS,
      host: this.name,
      port: PORT,
      transport: network.transport(this.name),
      clock: view,
      random: random.fork(process),
      identity: this.#world.identity(this.name),
      handshakeTags: { process },
    });
    this.#running = { server, clock: view };
    trace.record(process, "starts");
    this.#serve(server, process);
    await server.listen();
    this.#speak(server, view, process);
  }

  kill(): void {
    if (!this.#end("is killed")) return;
    this.#world.network.killProcess(this.name);
  }

  /** Whether the present process has the client, by its tag, and the client means this process. */
  serves(client: string, process: unknown): boolean {
    if (process !== `${this.name}#${this.#starts}`) return false;
    const connections = [...(this.server?.connections() ?? [])];
    return connections.some(({ isOpen, handshake }) => isOpen && handshake.tags.name === client);
  }

  /** Ends in order: clients are told, and what is under way may finish. */
  close(): void {
    const ended = this.#running;
    if (ended === undefined) return;
    this.#running = undefined;
    this.#world.trace.record(this.name, "closes");
    void ended.server.close(CLOSE_DRAIN_MS);
  }

  losePower(): void {
    if (!this.#end("loses its power")) return;
    this.#world.network.losePower(this.name);
  }

  stall(forMs: number): void {
    this.#running?.clock.stall(forMs);
    this.#world.network.stall(this.name, forMs);
  }

  #end(how: string): boolean {
    const ended = this.#running;
    if (ended === undefined) return false;
    this.#running = undefined;
    ended.clock.halt();
    this.#dead.add(ended.server);
    this.#world.noteDeath(`${this.name}#${this.#starts}`);
    this.#world.trace.record(this.name, how);
    return true;
  }

  #serve(server: QWormholeServer, process: string): void {
    const { messages, trace, violations, clock } = this.#world;
    const sinceMs = new Map<string, number>();
    server.on("connection", ({ id }) => {
      trace.record(process, `has ${id}`);
      sinceMs.set(id, clock.monotonicMs());
    });
    server.on("clientClosed", ({ client, error }) => {
      trace.record(process, `lost ${client.id}: ${(error as { code?: string })?.code ?? "-"}`);
    });
    server.on("message", ({ client, data }) => {
      if (this.#dead.has(server)) violations.add(`${process} hears after its death`);
      const message = data as NumberedMessage;
      messages.received(message, `${process} ${client.id}`);
      const oldestMs = (sinceMs.get(client.id) ?? 0) - QUEUE_WAIT_MS;
      if (message.sentMs < oldestMs - FACADE_LIMITS.handshakeTimeoutMs) {
        violations.add(`${process} gets ${message.flow} ${message.number}, which has expired`);
      }
    });
    server.on("drop", ({ messages: count }) => {
      this.drops += count;
    });
    server.on("invalidMessage", ({ error }) => violations.add(`${process}: ${error.message}`));
    server.on("error", (error) => violations.add(`${process}: ${error.stack}`));
    const work = this.#world.random.fork(`${process} works`);
    server.handle("do", async (value) => {
      this.#world.noteDone(value as string);
      const workMs = work.integer(0, WORK_MS_MAX);
      await new Promise<void>((resolve) => this.#running?.clock.setTimeout(resolve, workMs));
      return { done: value };
    });
    server.handle("ask", (value) => ({ asked: value }));
  }

  /** Says numbered things to all, and publishes others. */
  #speak(server: QWormholeServer, clock: ClockView, process: string): void {
    const { messages, random } = this.#world;
    const lengths = random.fork(`${process} speaks`);
    const next = (lane: string) => {
      const length = lengths.integer(1, NEWS_LENGTH_MAX);
      const message = messages.next(`${process}>`, lane, length, clock.monotonicMs());
      messages.sent(message);
      return message;
    };
    const say = () => {
      if (this.#running?.server !== server) return;
      const told = next("rpc");
      server.broadcast(told);
      const news = next("news");
      server.publish(`news.${this.name}`, news);
      clock.setTimeout(say, SPEAK_MS);
    };
    clock.setTimeout(say, SPEAK_MS);
  }
}
