/**
 * Compares what should be stored with what is: the sorted reference rows and the sorted chunk lists
 * of all connected storage nodes, merged in one pass over everything, with a page of each in
 * memory.
 *
 * A node whose list breaks off counts as not looked at from there on. Rows and lists are read at
 * different moments, so what is seen is a hint; whoever acts on it looks again first.
 */
import { type ChunkId, errorFields, type Logger, type NodeId } from "@hearthmesh/core";
import type { Store } from "@hearthmesh/store";
import { chunkOfReference } from "../keys.js";
import type { NodeCalls } from "../node-calls.js";
import { pagesOf } from "../store-helpers.js";

const REFERENCE_ROWS = 1000;

export interface WalkedChunk {
  readonly id: ChunkId;
  /** A file or an upload refers to it. */
  readonly referenced: boolean;
  /** Nodes whose lists name it. */
  readonly holders: ReadonlySet<NodeId>;
  /** Nodes whose lists are whole up to here. */
  readonly looked: ReadonlySet<NodeId>;
}

export interface WalkOptions {
  readonly store: Store;
  readonly calls: NodeCalls;
  readonly nodes: readonly NodeId[];
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Called after each page of references, to leave others their turn. */
  pause(): Promise<void>;
}

export async function* walkChunks(
  options: WalkOptions,
): AsyncGenerator<WalkedChunk, void, undefined> {
  const { nodes, calls, log, signal } = options;
  const references = new Cursor(referencedChunks(options));
  const lists = new Map<NodeId, Cursor>();
  for (const nodeId of nodes) lists.set(nodeId, new Cursor(listedChunks(calls, nodeId)));
  await references.advance();
  await Promise.all([...lists].map(([nodeId]) => advanceList(lists, nodeId, log)));
  for (;;) {
    signal.throwIfAborted();
    const id = smallest([references, ...lists.values()]);
    if (id === undefined) return;
    const holders = new Set<NodeId>();
    for (const [nodeId, list] of lists) if (list.current === id) holders.add(nodeId);
    const referenced = references.current === id;
    yield { id, referenced, holders, looked: new Set(lists.keys()) };
    if (referenced) await references.advance();
    for (const nodeId of holders) {
      if (!lists.get(nodeId)?.step()) await advanceList(lists, nodeId, log);
    }
  }
}

/** A node that stops answering is taken out of the walk. */
async function advanceList(lists: Map<NodeId, Cursor>, nodeId: NodeId, log: Logger) {
  try {
    await lists.get(nodeId)?.advance();
  } catch (error) {
    lists.delete(nodeId);
    log.warn("a node's chunk list broke off", { nodeId, ...errorFields(error) });
  }
}

/** The place in one sorted list; pages come in as they are needed. */
class Cursor {
  readonly #pages: AsyncIterator<readonly ChunkId[]>;
  #page: readonly ChunkId[] = [];
  #at = 0;

  constructor(pages: AsyncIterable<readonly ChunkId[]>) {
    this.#pages = pages[Symbol.asyncIterator]();
  }

  /** Undefined at the end. */
  get current(): ChunkId | undefined {
    return this.#page[this.#at];
  }

  /** Goes on within the page; false when there is no more in it. */
  step(): boolean {
    if (this.#at + 1 >= this.#page.length) return false;
    this.#at++;
    return true;
  }

  async advance(): Promise<void> {
    if (this.step()) return;
    this.#at = 0;
    const next = await this.#pages.next();
    this.#page = next.done === true ? [] : next.value;
  }
}

async function* referencedChunks(options: WalkOptions) {
  const { store, signal, pause } = options;
  let last: ChunkId | undefined;
  for await (const rows of pagesOf(store, "r", { limit: REFERENCE_ROWS, keysOnly: true, signal })) {
    const ids: ChunkId[] = [];
    for (const row of rows) {
      const id = chunkOfReference(row.key);
      if (id !== last) ids.push(id);
      last = id;
    }
    if (ids.length > 0) yield ids;
    await pause();
  }
}

async function* listedChunks(calls: NodeCalls, nodeId: NodeId) {
  let last: ChunkId | undefined;
  for (;;) {
    const page = await calls.list(nodeId, last);
    if (page.ids.length > 0) yield page.ids;
    last = page.ids.at(-1);
    if (!page.more) return;
  }
}

function smallest(cursors: readonly Cursor[]): ChunkId | undefined {
  let least: ChunkId | undefined;
  for (const { current } of cursors) {
    if (current !== undefined && (least === undefined || current < least)) least = current;
  }
  return least;
}
