/**
 * What a client listens to: told to the server when there is one, and again after reconnections.
 */
import type { Link } from "../link.js";
import type { EncodedMessage } from "../message-kind.js";
import { checkPattern } from "../topics.js";
import type { QWormholeConnection } from "./connection.js";
import { LocalTopics, type TopicListener } from "./topic-hub.js";

export class Subscriptions<T> {
  readonly #local = new LocalTopics<T>();
  /** How many listeners each pattern has. */
  readonly #patterns = new Map<string, number>();
  readonly #onRefused: (error: Error) => void;
  #link: Link | undefined;

  /** `onRefused`: the server refused after a reconnection what it had agreed to before. */
  constructor(onRefused: (error: Error) => void) {
    this.#onRefused = onRefused;
  }

  /** Tells the server all patterns. */
  attach(link: Link): void {
    this.#link = link;
    for (const pattern of this.#patterns.keys()) {
      this.#tell(link, "qw.subscribe", pattern).catch((error) => {
        if (link.isOpen) this.#onRefused(error);
      });
    }
  }

  detach(): void {
    this.#link = undefined;
  }

  /** Throws `QW_TOPIC_INVALID`, or what the server answers; the listener is not kept then. */
  async add(pattern: string, listener: TopicListener<T>): Promise<() => void> {
    checkPattern(pattern);
    const removeLocal = this.#local.add(pattern, listener);
    const listeners = this.#patterns.get(pattern) ?? 0;
    this.#patterns.set(pattern, listeners + 1);
    let isOver = false;
    const remove = () => {
      if (isOver) return;
      isOver = true;
      removeLocal();
      this.#leave(pattern);
    };
    const link = this.#link;
    if (listeners > 0 || link === undefined) return remove;
    try {
      await this.#tell(link, "qw.subscribe", pattern);
    } catch (error) {
      // A link that was lost meanwhile is no refusal: the next one is told again.
      if (link.isOpen) {
        remove();
        throw error;
      }
    }
    return remove;
  }

  deliver(topic: string, message: EncodedMessage, from: QWormholeConnection<T>): Error | undefined {
    return this.#local.deliver(topic, message, from);
  }

  #leave(pattern: string): void {
    const left = (this.#patterns.get(pattern) ?? 1) - 1;
    if (left > 0) {
      this.#patterns.set(pattern, left);
      return;
    }
    this.#patterns.delete(pattern);
    // Without an answer nothing is lost: what still arrives finds no listener.
    if (this.#link?.isOpen) this.#tell(this.#link, "qw.unsubscribe", pattern).catch(() => {});
  }

  async #tell(link: Link, method: string, pattern: string): Promise<void> {
    await link.request(method, Buffer.from(pattern, "utf8"), { priority: "control" });
  }
}
