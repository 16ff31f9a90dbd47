/**
 * The place of the leading coordinator on this machine: taken while this node leads, empty while
 * another does. Callers on this machine need not know which; what the seat cannot answer itself
 * goes to the coordinator that leads.
 *
 *     empty --elected--> starting --loaded--> taken --lead lost--> stopping --> empty     starting
 * --failed--> empty (tried again while the lead lasts);   any --stop--> stopped
 *
 * Invariants: at most one coordinator runs in this process, under the epoch of the present
 * leadership; one of an older epoch has ended before the next begins. Its writes carry the guard of
 * its leadership, so even one that does not know yet that it was replaced changes nothing. A
 * coordinator knows every link that was open when it was made, or opened since: a node whose link
 * it does not know could not register over it.
 *
 * Errors: a call waits for a leader up to `LEADER_WAIT_MS` and then fails with `MESH_NOT_LEADER`. A
 * call that was passed on and got no answer is not repeated: `MESH_UNREACHABLE`, `MESH_TIMEOUT`.
 */
import {
  asWireError,
  type Clock,
  decodeMessage,
  encodeMessage,
  errorFields,
  fromWireError,
  isMeshError,
  type Logger,
  MeshError,
  type NodeId,
  resetWith,
  type Startable,
  type TrustDomain,
} from "@hearthmesh/core";
import type { Principal } from "@hearthmesh/identity";
import type { IncomingRequest, Link, LinkHandlers } from "@hearthmesh/qwormhole";
import type { NodeLinks } from "../client/ports.js";
import type { ChunkProbeAnswer } from "../coordinator/chunk-probe.js";
import type { CallOptions, Coordinator } from "../coordinator/coordinator.js";
import type { Layout, NodeInfo } from "../types.js";
import {
  COORDINATOR_CALL,
  COORDINATOR_REMOVE,
  COORDINATOR_VIEW,
  type CoordinatorView,
  type ForwardedCall,
  readForwardedCall,
  requireCoordinator,
} from "./coordinator-wire.js";
import type { FileReader } from "./file-reader.js";
import { type Leader, type Leadership, notLeading } from "./leadership.js";

/** A call waits this long for an election to end. */
const LEADER_WAIT_MS = 5_000;
const CALL_TIMEOUT_MS = 15_000;
/** `layout.*` looks at all chunks. */
const LAYOUT_TIMEOUT_MS = 300_000;
/** How old the view of the leader's nodes may become on the others. */
const VIEW_EVERY_MS = 2_000;
/** After the leader could not be reached, or its coordinator could not start. */
const AGAIN_MS = 250;

export interface CoordinatorSeatOptions {
  readonly nodeId: NodeId;
  readonly trustDomain: TrustDomain;
  readonly leadership: Leadership;
  /** Not started; it writes through `Leadership.fence`. */
  makeCoordinator(epoch: number): Coordinator;
  readonly reader: FileReader;
  /** Before the first answer of a leader. */
  readonly emptyView: CoordinatorView;
  linkTo(leader: Leader): Promise<Link>;
  /** Links that are open now. */
  links(): readonly Link[];
  /** This node leads from now on: told to whoever should come here. */
  onSeated?(epoch: number): void;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Seated {
  readonly coordinator: Coordinator;
  /** Of the coordinator, made once. */
  readonly handlers: LinkHandlers;
  readonly epoch: number;
}

export class CoordinatorSeat implements Startable {
  readonly name = "coordinator seat";
  readonly #options: CoordinatorSeatOptions;
  readonly #log: Logger;
  readonly #waiting = new Set<() => void>();
  #seated: Seated | undefined;
  /** It reads the store, while nodes go on opening links. */
  #starting: Coordinator | undefined;
  #view: CoordinatorView;
  #tail: Promise<void> = Promise.resolve();
  #unsubscribe: () => void = () => undefined;
  #timer: { cancel(): void } | undefined;
  #stopped = false;
  #isRestrained = false;

  constructor(options: CoordinatorSeatOptions) {
    this.#options = options;
    this.#log = options.log.child({ part: "coordinator-seat" });
    this.#view = options.emptyView;
  }

  /** When this node leads already, its coordinator runs before this resolves. */
  async start(): Promise<void> {
    this.#unsubscribe = this.#options.leadership.onChange(() => void this.#settleSoon());
    await this.#settle();
    this.#watchLeader();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#unsubscribe();
    this.#timer?.cancel();
    this.#wake();
    await this.#settleSoon();
  }

  /** Every link that opens; kept for the coordinator that may come. */
  attach(link: Link): void {
    (this.#seated?.coordinator ?? this.#starting)?.attach(link);
  }

  /** Serves `node.*`, `file.*` and `coordinator.*`. */
  handlers(): LinkHandlers {
    return {
      onRequest: (request) => this.#answer(request),
      onStream: (stream) =>
        resetWith(stream, new MeshError("MESH_FORBIDDEN", { message: "no such stream here" })),
    };
  }

  /** A method as over a link, for callers in this process. */
  async call(
    principal: Principal,
    method: string,
    header: object,
    body: Uint8Array = new Uint8Array(0),
    options: CallOptions = {},
  ): Promise<{ header: object; body: Uint8Array }> {
    const { reader } = this.#options;
    if (this.#seated === undefined && reader.serves(method)) {
      return { header: await reader.call(principal, method, header), body: new Uint8Array(0) };
    }
    const holder = options.holder ?? principal.nodeId;
    return this.#atLeader(
      ({ coordinator }) => coordinator.call(principal, method, header, body, { holder }),
      async (link) => {
        const call: ForwardedCall = { principal, method, header, holder };
        const timeoutMs = method.startsWith("layout.") ? LAYOUT_TIMEOUT_MS : CALL_TIMEOUT_MS;
        return decodeMessage<object>(await ask(link, COORDINATOR_CALL, call, body, timeoutMs));
      },
    );
  }

  /** Takes a node out of the layout. `MESH_NOT_FOUND`. */
  removeNode(nodeIdOrName: string): Promise<NodeInfo> {
    return this.#atLeader(
      ({ coordinator }) => coordinator.removeNode(nodeIdOrName),
      async (link) => {
        const answer = await ask(link, COORDINATOR_REMOVE, { node: nodeIdOrName });
        return decodeMessage<{ info: NodeInfo }>(answer).header.info;
      },
    );
  }

  nodes(): readonly NodeInfo[] {
    return this.#seated?.coordinator.nodes() ?? this.#view.nodes;
  }

  layout(): Layout {
    return this.#seated?.coordinator.layout() ?? this.#view.layout;
  }

  /** Of the coordinator that leads; elsewhere up to `VIEW_EVERY_MS` old. */
  view(): CoordinatorView {
    return this.#seated === undefined ? this.#view : viewOf(this.#seated.coordinator);
  }

  /**
   * Writes, reads and deletes a chunk at a storage node; undefined where another node leads, which
   * does so itself.
   */
  async probeChunk(links: NodeLinks, signal: AbortSignal): Promise<ChunkProbeAnswer | undefined> {
    return this.#seated?.coordinator.probeChunk(links, signal);
  }

  /** Background work of the coordinator leaves more room, also of one that is seated later. */
  restrain(on: boolean): void {
    this.#isRestrained = on;
    this.#seated?.coordinator.restrain(on);
  }

  get isSeated(): boolean {
    return this.#seated !== undefined;
  }

  async #answer(request: IncomingRequest): Promise<readonly Uint8Array[]> {
    try {
      if (request.method.startsWith("coordinator.")) return await this.#answerPeer(request);
      const seated = this.#seated;
      if (seated === undefined) throw notLeading(this.#options.leadership.state);
      const { onRequest } = seated.handlers;
      if (onRequest === undefined) throw new MeshError("MESH_INTERNAL");
      return (await onRequest(request)) as readonly Uint8Array[];
    } catch (error) {
      throw asWireError(error);
    }
  }

  /** For other coordinators, which pass on only what this one itself decides. */
  async #answerPeer({ method, peer, body }: IncomingRequest): Promise<readonly Uint8Array[]> {
    requireCoordinator(peer, this.#options.trustDomain);
    const seated = this.#seated;
    if (seated === undefined) throw notLeading(this.#options.leadership.state);
    const { coordinator } = seated;
    const message = decodeMessage<{ node?: unknown }>(body);
    if (method === COORDINATOR_VIEW) {
      return encodeMessage({}, Buffer.from(JSON.stringify(viewOf(coordinator)), "utf8"));
    }
    if (method === COORDINATOR_REMOVE) {
      this.#options.leadership.requireLeading();
      return encodeMessage({ info: await coordinator.removeNode(String(message.header.node)) });
    }
    if (method !== COORDINATOR_CALL) {
      throw new MeshError("MESH_FORBIDDEN", { message: "no such method between coordinators" });
    }
    const { principal, method: inner, header, holder } = readForwardedCall(message.header);
    const answer = await coordinator.call(principal, inner, header, message.body, { holder });
    return encodeMessage(answer.header, answer.body);
  }

  async #atLeader<Result>(
    here: (seated: Seated) => Promise<Result>,
    there: (link: Link) => Promise<Result>,
  ): Promise<Result> {
    const { clock, leadership } = this.#options;
    const untilMs = clock.monotonicMs() + LEADER_WAIT_MS;
    for (;;) {
      const attempt = await this.#tryAtLeader(here, there);
      if ("result" in attempt) return attempt.result;
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0 || this.#stopped) {
        throw this.#stopped ? new MeshError("MESH_STOPPING") : notLeading(leadership.state);
      }
      await this.#changeOrPause(Math.min(leftMs, AGAIN_MS));
    }
  }

  /** Without a result when nobody took the call: it may be made again. */
  async #tryAtLeader<Result>(
    here: (seated: Seated) => Promise<Result>,
    there: (link: Link) => Promise<Result>,
  ): Promise<{ result: Result } | { nobody: true }> {
    const { leadership, nodeId, linkTo } = this.#options;
    // Refused before anything was done: by the seat, or by the guard of the transaction.
    const isReplaced = (error: unknown) =>
      isMeshError(error, "MESH_NOT_LEADER") || isMeshError(error, "MESH_EPOCH_OLD");
    try {
      if (this.#seated !== undefined) return { result: await here(this.#seated) };
      const { leader } = leadership.state;
      if (leader === undefined || leader.nodeId === nodeId) return { nobody: true };
      const link = await linkTo(leader).catch(() => undefined);
      return link === undefined ? { nobody: true } : { result: await there(link) };
    } catch (error) {
      if (isReplaced(error)) return { nobody: true };
      throw error;
    }
  }

  #changeOrPause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        timer.cancel();
        this.#waiting.delete(done);
        resolve();
      };
      const timer = this.#options.clock.setTimeout(done, pauseMs);
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }

  /** A failure is logged, and tried again while the lead lasts. */
  #settleSoon(): Promise<void> {
    return this.#settle().catch((error: unknown) => {
      this.#log.error("the coordinator could not take its seat", errorFields(error));
      if (!this.#stopped) this.#options.clock.setTimeout(() => void this.#settleSoon(), AGAIN_MS);
    });
  }

  #settle(): Promise<void> {
    const settled = this.#tail.then(() => this.#takeOrLeave());
    this.#tail = settled.catch(() => undefined);
    return settled;
  }

  async #takeOrLeave(): Promise<void> {
    const { leadership, makeCoordinator, links, onSeated } = this.#options;
    const { role, epoch } = leadership.state;
    const wanted = role === "leader" && !this.#stopped ? epoch : undefined;
    if (this.#seated?.epoch !== wanted) await this.#leave();
    if (wanted === undefined || this.#seated !== undefined) return this.#wake();
    const coordinator = makeCoordinator(wanted);
    coordinator.restrain(this.#isRestrained);
    this.#starting = coordinator;
    for (const link of links()) coordinator.attach(link);
    try {
      await coordinator.start();
    } finally {
      this.#starting = undefined;
    }
    this.#seated = { coordinator, handlers: coordinator.handlers(), epoch: wanted };
    this.#log.info("this node leads the coordinators", { epoch: wanted });
    onSeated?.(wanted);
    this.#wake();
  }

  async #leave(): Promise<void> {
    const seated = this.#seated;
    if (seated === undefined) return;
    this.#view = viewOf(seated.coordinator);
    this.#seated = undefined;
    await seated.coordinator.stop().catch((error: unknown) => {
      this.#log.warn("the coordinator did not end cleanly", errorFields(error));
    });
    if (!this.#stopped) {
      this.#log.warn("this node does not lead any more", { epoch: seated.epoch });
    }
  }

  #watchLeader(): void {
    if (this.#stopped) return;
    void this.#lookAtLeader().then(() => {
      if (this.#stopped) return;
      this.#timer = this.#options.clock.setTimeout(() => this.#watchLeader(), VIEW_EVERY_MS);
    });
  }

  async #lookAtLeader(): Promise<void> {
    const { leadership, nodeId, linkTo } = this.#options;
    const { leader } = leadership.state;
    if (this.#seated !== undefined || leader === undefined || leader.nodeId === nodeId) return;
    try {
      const { body } = decodeMessage(await ask(await linkTo(leader), COORDINATOR_VIEW, {}));
      this.#view = JSON.parse(Buffer.from(body).toString("utf8")) as CoordinatorView;
    } catch (error) {
      this.#log.debug("the leader was not asked for its nodes", errorFields(error));
    }
  }
}

function viewOf(coordinator: Coordinator): CoordinatorView {
  return {
    nodes: coordinator.nodes(),
    layout: coordinator.layout(),
    status: coordinator.status(),
    operations: coordinator.operations(),
  };
}

async function ask(
  link: Link,
  method: string,
  header: object,
  body?: Uint8Array,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<Uint8Array> {
  try {
    return await link.request(method, encodeMessage(header, body), {
      priority: "rpc",
      timeoutMs,
    });
  } catch (error) {
    throw fromWireError(error);
  }
}
