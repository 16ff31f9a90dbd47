/** The subscriptions of a server: its own listeners, and those of its clients. */
import { SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_PER_PEER_MAX } from "../limits.js";
import type { EncodedMessage, Serializer } from "../message-kind.js";
import { valueDeserializer } from "../serializers.js";
import { checkPattern, checkTopic, SubscriptionIndex } from "../topics.js";
import type { QWormholeConnection } from "./connection.js";
import { encodePublication, encodeValue, PUBLISHED_KIND_MIN } from "./values.js";

export interface Publication<T> {
  readonly topic: string;
  /** Who published it: a client, or on a client its server; undefined for this side itself. */
  readonly client: QWormholeConnection<T> | undefined;
}

export type TopicListener<T> = (value: unknown, publication: Publication<T>) => void;

/** One call of `subscribe`, so that a function may listen twice and leave once. */
export interface LocalSubscription<T> {
  readonly listener: TopicListener<T>;
}

/** Patterns and listeners of this side. */
export class LocalTopics<T> {
  readonly #index = new SubscriptionIndex<LocalSubscription<T>>(Number.POSITIVE_INFINITY);

  /** Answers what ends it. Throws `QW_TOPIC_INVALID`. */
  add(pattern: string, listener: TopicListener<T>): () => void {
    checkPattern(pattern);
    const subscription = { listener };
    this.#index.add(pattern, subscription);
    return () => void this.#index.remove(pattern, subscription);
  }

  /** Answers the error of a message that cannot be read; what listeners throw, it throws. */
  deliver(
    topic: string,
    message: EncodedMessage,
    client: QWormholeConnection<T> | undefined,
  ): Error | undefined {
    const subscriptions = [...this.#index.match(topic)];
    if (subscriptions.length === 0) return undefined;
    let value: unknown;
    try {
      value = valueDeserializer(message.payload, message.kind);
    } catch (error) {
      return error as Error;
    }
    for (const { listener } of subscriptions) listener(value, { topic, client });
    return undefined;
  }
}

export class TopicHub<T> {
  readonly local = new LocalTopics<T>();
  readonly #remote = new SubscriptionIndex<QWormholeConnection<T>>(
    SUBSCRIPTIONS_PER_PEER_MAX,
    SUBSCRIPTIONS_MAX,
  );

  /** Throws `QW_TOPIC_INVALID` or `QW_SUBSCRIPTION_LIMIT`. */
  subscribe(client: QWormholeConnection<T>, pattern: string): void {
    checkPattern(pattern);
    this.#remote.add(pattern, client);
  }

  unsubscribe(client: QWormholeConnection<T>, pattern: string): void {
    this.#remote.remove(pattern, client);
  }

  forget(client: QWormholeConnection<T>): void {
    this.#remote.removeAll(client);
  }

  /** To this side's listeners and the clients that subscribed; answers how many clients took it. */
  publish(serializer: Serializer, topic: string, value: unknown): number {
    checkTopic(topic);
    const message = encodeValue(serializer, value);
    this.local.deliver(topic, message, undefined);
    return this.relay(topic, message, undefined);
  }

  /** To the clients that subscribed, but for the one that it comes from. */
  relay(topic: string, message: EncodedMessage, from: QWormholeConnection<T> | undefined): number {
    const payload = encodePublication(topic, message);
    let taken = 0;
    for (const client of this.#remote.match(topic)) {
      if (client !== from && client.offer(payload, message.kind + PUBLISHED_KIND_MIN)) taken++;
    }
    return taken;
  }
}
