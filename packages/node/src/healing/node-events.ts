/** The events of a node for `/events`: what its healer and its membership tell. */
import type { Clock, Random } from "@hearthmesh/core";
import { EventFeed, incidentSummary } from "@hearthmesh/gateway";
import type { HealerService, HealingEvent } from "@hearthmesh/healing";
import type { PeerChange } from "@hearthmesh/membership";

export interface NodeEventSources {
  readonly nodeName: string;
  readonly healer: HealerService | undefined;
  /** Undefined while the mesh is off. */
  readonly swim: { onChange(listener: (change: PeerChange) => void): () => void } | undefined;
  readonly clock: Clock;
  readonly random: Random;
}

const TEXT_LENGTH_MAX = 512;

/** `close` ends the streams and the listening. */
export function openNodeEvents({ healer, swim, ...options }: NodeEventSources): {
  readonly feed: EventFeed;
  close(): void;
} {
  const feed = new EventFeed(options);
  const ends = [
    healer?.onEvent((event) => publishHealing(feed, event)),
    swim?.onChange(({ peer: { nodeId, name }, before, after }) => {
      // Else only its record is new.
      if (before === after) return;
      feed.publish("peer", { nodeId, name, state: after, before: before ?? null });
    }),
  ];
  return {
    feed,
    close: () => {
      for (const end of ends) end?.();
      feed.close();
    },
  };
}

function publishHealing(feed: EventFeed, event: HealingEvent): void {
  if (event.kind === "mode") {
    feed.publish("healing", { mode: event.mode });
    return;
  }
  const { incident } = event;
  const newest = incident.timeline.at(-1);
  feed.publish("incident", {
    incident: incidentSummary(incident),
    newest:
      newest === undefined
        ? null
        : {
            ...{ step: newest.step, text: newest.text.slice(0, TEXT_LENGTH_MAX) },
            ...(newest.remedy === undefined ? {} : { remedy: newest.remedy }),
          },
  });
}
