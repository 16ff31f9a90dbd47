/** Puts the parts of a coordinator together. */

import type { NodeId } from "@hearthmesh/core";
import type { Copies } from "../copies/copies.js";
import { HoldBook } from "../recovery/hold-book.js";
import { lostFoundWorker } from "../recovery/lost-found.js";
import { Activity } from "./activity.js";
import { AnswerContext } from "./answer-context.js";
import { Background } from "./background.js";
import { ChunkGuard } from "./chunk-guard.js";
import { ChunkProbe } from "./chunk-probe.js";
import { Condemned } from "./condemned.js";
import { type CoordinatorOptions, DEFAULT_INTERVALS } from "./coordinator-options.js";
import { copyMethodsFor, makeCopies } from "./copy-parts.js";
import { DamageBook } from "./damage-book.js";
import { DamageDesk } from "./damage-desk.js";
import { Directories } from "./directories.js";
import { DrainWatch } from "./drain-watch.js";
import type { StorageView } from "./durability.js";
import { fileMethods } from "./file-methods.js";
import { fsckMethods } from "./fsck/fsck-methods.js";
import { KeyedMutex, SharedGate } from "./gates.js";
import { LayoutBook } from "./layout-book.js";
import { LayoutDesk } from "./layout-desk.js";
import { layoutMethods } from "./layout-methods.js";
import { LayoutRelief } from "./layout-relief.js";
import type { MethodTable } from "./method-table.js";
import { Namespace } from "./namespace.js";
import type { NamespaceContext } from "./namespace-context.js";
import { NodeCalls } from "./node-calls.js";
import { NodeDirectory } from "./node-directory.js";
import { nodeMethods } from "./node-methods.js";
import { OpenUploads } from "./open-uploads.js";
import { QuotaLedger } from "./quota-ledger.js";
import { ReceiptKeys } from "./receipt-keys.js";
import { ReplicaWriter } from "./replica-writer.js";
import { SmallFiles } from "./small-files.js";
import { TicketOffice } from "./ticket-office.js";
import { TicketVoider } from "./ticket-voider.js";
import { Trash } from "./trash.js";
import { trashMethods } from "./trash-methods.js";
import { Uploads } from "./uploads.js";
import { Usage } from "./usage.js";
import { VoidBook } from "./void-book.js";
import { workerMethods } from "./workers/worker-methods.js";

const REPLICAS = 3;
const ACKS = 2;

export interface CoordinatorParts {
  readonly layouts: LayoutBook;
  readonly nodes: NodeDirectory;
  readonly condemned: Condemned;
  readonly holds: HoldBook;
  readonly open: OpenUploads;
  readonly usage: Usage;
  readonly smallFiles: SmallFiles;
  readonly background: Background;
  readonly activity: Activity;
  readonly methods: MethodTable;
  readonly voider: TicketVoider;
  readonly copies: Copies | undefined;
  readonly quotas: QuotaLedger;
  readonly probe: ChunkProbe;
  readonly book: DamageBook;
}

export function buildParts(options: CoordinatorOptions): CoordinatorParts {
  const { store, clock, random, log, epoch } = options;
  const plain = namespaceContext(options);
  const copyGround = () => ({ background, nodes, tickets, placement });
  const copies = makeCopies(options, plain.directories, copyGround);
  const context = { ...plain, copies };
  const { layouts, nodes, tickets, voids, drains, lookSoon, book } = nodeParts(options);
  const { calls, suspects } = callParts(options, nodes, () => background);
  const voider = ticketVoider(options, { tickets, voids, nodes, calls });
  const guard = new ChunkGuard();
  const condemned = new Condemned(store);
  const open = new OpenUploads(options.quotas?.ownDomain);
  const onQueued = (chunks: number) => background.queued(chunks);
  const online = () => nodes.takingChunks();
  const rule = (): StorageView => ({
    layout: layouts.layout,
    acks: layouts.acks,
    online: online(),
    unavailable: nodes.unavailable(),
  });
  const shared = { namespace: context, layouts, guard, clock, random, log, onQueued };
  const placement = () => layouts.placement;
  const writer = new ReplicaWriter({
    ...{ calls, clock, random, log, placement, rule },
    takesChunks: (nodeId) => nodes.takesChunks(nodeId),
    acks: () => layouts.acks,
  });
  const smallFiles = new SmallFiles({ ...shared, writer });
  const receiptKeys = new ReceiptKeys(options.coordinatorSecret);
  const uploads = new Uploads({ ...shared, open, condemned, receiptKeys, calls, rule });
  const { usage, run } = context;
  const activity = new Activity(clock);
  const namespace = new Namespace(context);
  const trash = new Trash(context, namespace);
  const { memberId, onRolledBack, openedRevision } = options;
  const holds = new HoldBook({ store, epoch, run, openedRevision, clock, log, onRolledBack });
  const lostFound = { context, guard, open, memberId, clock, nodes, calls, holds, log };
  const background: Background = new Background({
    ...{ store, nodes, calls, tickets, guard, drains, condemned, open, uploads, usage, trash },
    ...{ clock, log, epoch, run, suspects, book, self: options.nodeId },
    acks: () => layouts.acks,
    intervals: { ...DEFAULT_INTERVALS, ...options.intervals },
    layout: () => layouts.layout,
    context,
    busy: () => activity.isBusy,
    extraWorkers: () => [
      lostFoundWorker(lostFound),
      ...(copies?.workers() ?? []),
      ...(options.extraWorkers?.() ?? []),
    ],
    onLost: (id) => copies?.lost(id),
  });
  background.hold.addCheck(() => holds.reason(nodes.onlineStorage()));
  lookSoon.call = () => background.lookSoon();
  const answers = new AnswerContext({ layouts, nodes, tickets });
  const deskOptions = {
    ...{ store, layouts, nodes, drains, calls, clock, log, damage: book },
    pauseMs: options.intervals?.walkPauseMs ?? DEFAULT_INTERVALS.walkPauseMs,
    autoJoin: options.autoJoin ?? true,
  };
  const desk = new LayoutDesk(deskOptions);
  return {
    ...{ layouts, nodes, condemned, holds, open, usage, smallFiles, background, activity },
    ...{ voider, copies, quotas: context.quotas, book },
    probe: new ChunkProbe({ tickets, calls, nodes, epoch, self: options.nodeId, clock, random }),
    methods: {
      ...workerMethods(background.registry),
      ...fsckMethods(background.fsck, background.registry),
      ...nodeMethods({ nodes, holds, store, clock, run }),
      ...layoutMethods(desk, new LayoutRelief(deskOptions, desk)),
      ...fileMethods({ context, namespace, smallFiles, uploads, answers }),
      ...suspects.methods(),
      ...trashMethods(trash),
      ...copyMethodsFor(context, namespace, copies),
    },
  };
}

export function namespaceContext(
  options: Pick<CoordinatorOptions, "store" | "clock" | "random" | "trashRetentionMs" | "quotas">,
  directories = new Directories(options.store),
): NamespaceContext {
  const { store, clock, random, trashRetentionMs = 0 } = options;
  const gate = new SharedGate();
  const usage = new Usage(store, gate);
  return {
    store,
    directories,
    gate,
    mutex: new KeyedMutex(),
    usage,
    quotas: new QuotaLedger(usage, options.quotas),
    clock,
    random,
    run: Buffer.from(random.bytes(8)).toString("hex"),
    trashRetentionMs,
  };
}

/** The requests to nodes, and what came back damaged; `background` looks at that. */
function callParts(
  { publicKeyDer, epoch, clock }: CoordinatorOptions,
  nodes: NodeDirectory,
  background: () => Background,
): { readonly calls: NodeCalls; readonly suspects: DamageDesk } {
  const onWaiting = () => background().suspected();
  const suspects = new DamageDesk({ publicKeyDer, epoch, clock, onWaiting });
  const linkOf = (nodeId: NodeId) => nodes.link(nodeId);
  return { calls: new NodeCalls(linkOf, (copy) => void suspects.suspect(copy)), suspects };
}

/** `lookSoon.call` is set when there are workers to wake: they need the nodes first. */
function nodeParts(options: CoordinatorOptions) {
  const { store, clock, log, memberId, epoch, sign, rolesOf, coordinators } = options;
  const lookSoon = { call: () => {} };
  const layouts = new LayoutBook({
    store,
    log,
    replicas: options.replicas ?? REPLICAS,
    acks: options.acks ?? ACKS,
    onChanged: () => lookSoon.call(),
  });
  const drains = new DrainWatch({
    leaving: () => nodes.leaving(),
    onLeft: () => lookSoon.call(),
  });
  const voids = new VoidBook(clock);
  const book = new DamageBook({ store, clock });
  const nodes: NodeDirectory = new NodeDirectory({
    voids: () => voids.live(),
    damageSeen: (nodeId) => book.seen(nodeId),
    ...{ store, layouts, clock, log, memberId, epoch, coordinators, drains },
    autoJoin: options.autoJoin ?? true,
    receiptKeys: new ReceiptKeys(options.coordinatorSecret),
    reportIntervalMs: options.intervals?.reportMs ?? DEFAULT_INTERVALS.reportMs,
    lostAfterMs: options.intervals?.nodeLostMs ?? DEFAULT_INTERVALS.nodeLostMs,
    ...(rolesOf === undefined ? {} : { rolesOf }),
    onChanged: (_nodeId, online) => {
      if (online) lookSoon.call();
    },
  });
  const tickets = new TicketOffice({ sign, epoch, clock });
  return { layouts, nodes, tickets, voids, drains, lookSoon, book };
}

interface TicketParts {
  readonly tickets: TicketOffice;
  readonly voids: VoidBook;
  readonly nodes: NodeDirectory;
  readonly calls: NodeCalls;
}

function ticketVoider(
  { access, isGateway = () => false, epoch, clock, log }: CoordinatorOptions,
  { tickets, voids, nodes, calls }: TicketParts,
): TicketVoider {
  return new TicketVoider({
    ...{ access, isGateway, epoch, clock, log, calls, tickets },
    book: voids,
    online: () => nodes.onlineStorage(),
  });
}
