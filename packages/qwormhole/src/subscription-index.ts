/**
 * Who subscribed to which patterns, as a tree on the words of the patterns. Finding the subscribers
 * of a topic follows at each word at most the branches of that word, of `*` and of `>`, so the cost
 * goes with the patterns that begin like the topic and not with all of them.
 *
 * Invariants: every node has a subscriber or a child, but the root; a subscriber is in
 * `#leavesOf` exactly while it has a pattern; `size` is the number of pairs.
 */
import { QWormholeError } from "./errors.js";
import { splitPattern, splitTopic } from "./topic-names.js";

interface TreeNode<S> {
  readonly parent: TreeNode<S> | undefined;
  readonly word: string;
  /** Made when the first one comes, as most nodes have few. */
  words: Map<string, TreeNode<S>> | undefined;
  /** The branch of `*`. */
  one: TreeNode<S> | undefined;
  /** The branch of a last `>`. */
  rest: TreeNode<S> | undefined;
  subscribers: Set<S> | undefined;
}

export class SubscriptionIndex<S> {
  readonly #perSubscriberMax: number;
  readonly #totalMax: number;
  readonly #root: TreeNode<S> = newNode<S>(undefined, "");
  /** Each pattern with the node at its end, so that removing needs no search. */
  readonly #leavesOf = new Map<S, Map<string, TreeNode<S>>>();
  #size = 0;
  #nodeCount = 0;
  #nodesVisited = 0;

  /**
   * Limits of the patterns of one subscriber and of all together: `SUBSCRIPTIONS_PER_PEER_MAX` and
   * `SUBSCRIPTIONS_MAX` where peers are the subscribers. Throws `QW_OPTIONS_INVALID` below 1.
   */
  constructor(perSubscriberMax: number, totalMax: number = Number.POSITIVE_INFINITY) {
    if (!(perSubscriberMax >= 1 && totalMax >= 1)) {
      const message = "the limits of a subscription index have to be 1 or above";
      throw new QWormholeError("QW_OPTIONS_INVALID", { message });
    }
    this.#perSubscriberMax = perSubscriberMax;
    this.#totalMax = totalMax;
  }

  /** Pairs of pattern and subscriber. */
  get size(): number {
    return this.#size;
  }

  /** Nodes below the root; 0 when nobody subscribes. */
  get nodeCount(): number {
    return this.#nodeCount;
  }

  /** Nodes that all calls of `match` have looked at: their cost, for metrics and tests. */
  get nodesVisited(): number {
    return this.#nodesVisited;
  }

  /**
   * False when it was there already. Throws `QW_TOPIC_INVALID`, and `QW_SUBSCRIPTION_LIMIT` when
   * one more would be too many; then nothing has changed.
   */
  add(pattern: string, subscriber: S): boolean {
    const words = splitPattern(pattern);
    const leaves = this.#leavesOf.get(subscriber) ?? new Map<string, TreeNode<S>>();
    if (leaves.has(pattern)) return false;
    if (leaves.size >= this.#perSubscriberMax) {
      throw limit(`a subscriber has ${leaves.size} patterns, the most that are allowed`);
    }
    if (this.#size >= this.#totalMax) {
      throw limit(`there are ${this.#size} subscriptions in all, the most that are allowed`);
    }
    let node = this.#root;
    for (const word of words) node = this.#child(node, word);
    node.subscribers ??= new Set();
    node.subscribers.add(subscriber);
    leaves.set(pattern, node);
    this.#leavesOf.set(subscriber, leaves);
    this.#size++;
    return true;
  }

  /** False when it was not there. */
  remove(pattern: string, subscriber: S): boolean {
    const leaves = this.#leavesOf.get(subscriber);
    const leaf = leaves?.get(pattern);
    if (leaves === undefined || leaf === undefined) return false;
    leaves.delete(pattern);
    if (leaves.size === 0) this.#leavesOf.delete(subscriber);
    this.#leave(leaf, subscriber);
    return true;
  }

  /** Ends all subscriptions of one; answers how many. The cost goes with their number. */
  removeAll(subscriber: S): number {
    const leaves = this.#leavesOf.get(subscriber);
    if (leaves === undefined) return 0;
    this.#leavesOf.delete(subscriber);
    for (const leaf of leaves.values()) this.#leave(leaf, subscriber);
    return leaves.size;
  }

  has(pattern: string, subscriber: S): boolean {
    return this.#leavesOf.get(subscriber)?.has(pattern) ?? false;
  }

  /** In the order in which they were added. */
  patternsOf(subscriber: S): string[] {
    return [...(this.#leavesOf.get(subscriber)?.keys() ?? [])];
  }

  /** Every subscriber with a pattern that fits, once, in a set of its own. `QW_TOPIC_INVALID`. */
  match(topic: string): Set<S> {
    const found = new Set<S>();
    this.#collect(this.#root, splitTopic(topic), 0, found);
    return found;
  }

  #collect(node: TreeNode<S>, words: readonly string[], depth: number, found: Set<S>): void {
    this.#nodesVisited++;
    const word = words[depth];
    if (word === undefined) {
      addAll(node.subscribers, found);
      return;
    }
    if (node.rest !== undefined) {
      this.#nodesVisited++;
      addAll(node.rest.subscribers, found);
    }
    if (node.one !== undefined) this.#collect(node.one, words, depth + 1, found);
    const next = node.words?.get(word);
    if (next !== undefined) this.#collect(next, words, depth + 1, found);
  }

  #child(parent: TreeNode<S>, word: string): TreeNode<S> {
    const known = childOf(parent, word);
    if (known !== undefined) return known;
    const node = newNode(parent, word);
    if (word === "*") parent.one = node;
    else if (word === ">") parent.rest = node;
    else {
      parent.words ??= new Map();
      parent.words.set(word, node);
    }
    this.#nodeCount++;
    return node;
  }

  /** Takes the subscriber out of a node, and the nodes away that nobody needs any more. */
  #leave(leaf: TreeNode<S>, subscriber: S): void {
    this.#size--;
    leaf.subscribers?.delete(subscriber);
    if (leaf.subscribers?.size === 0) leaf.subscribers = undefined;
    let node = leaf;
    while (node.parent !== undefined && isUnused(node)) {
      const parent = node.parent;
      if (node.word === "*") parent.one = undefined;
      else if (node.word === ">") parent.rest = undefined;
      else {
        parent.words?.delete(node.word);
        if (parent.words?.size === 0) parent.words = undefined;
      }
      this.#nodeCount--;
      node = parent;
    }
  }
}

function newNode<S>(parent: TreeNode<S> | undefined, word: string): TreeNode<S> {
  return {
    parent,
    word,
    words: undefined,
    one: undefined,
    rest: undefined,
    subscribers: undefined,
  };
}

function childOf<S>(node: TreeNode<S>, word: string): TreeNode<S> | undefined {
  if (word === "*") return node.one;
  if (word === ">") return node.rest;
  return node.words?.get(word);
}

function isUnused<S>(node: TreeNode<S>): boolean {
  return (
    node.subscribers === undefined &&
    node.words === undefined &&
    node.one === undefined &&
    node.rest === undefined
  );
}

function addAll<S>(from: Set<S> | undefined, to: Set<S>): void {
  if (from === undefined) return;
  for (const subscriber of from) to.add(subscriber);
}

function limit(message: string): QWormholeError {
  return new QWormholeError("QW_SUBSCRIPTION_LIMIT", { message });
}
