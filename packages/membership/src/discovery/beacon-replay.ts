/**
 * Which beacons are news. For each sender the boot and, within it, the sequence must rise.
 *
 * A boot below the highest one is an old recording, or a node whose clock went back while it was
 * off. The two cannot be told apart here, so such a beacon counts as a mere hint: it may lead to
 * one dial, whose handshake settles it, and only once a minute for each sender; its sequence must
 * rise too. Nothing else follows from a hint.
 */
import type { NodeId } from "@hearthmesh/core";
import { BEACON_OLD_BOOT_INTERVAL_MS, BEACON_OLD_BOOTS_MAX, BEACON_SENDERS_MAX } from "./limits.js";

/**
 * `fresh`: act on it. `hint`: of an older boot. `repeated`: the very beacon that came last, as
 * happens when two machines share two networks. `replayed`: an older one; drop it.
 */
export type BeaconNovelty = "fresh" | "hint" | "repeated" | "replayed";

export interface BeaconStamp {
  readonly nodeId: NodeId;
  readonly boot: number;
  readonly sequence: number;
}

interface Sender {
  boot: number;
  sequence: number;
  /** Older boots that were heard after a newer one, with the highest sequence of each. */
  readonly oldBoots: Map<number, number>;
  hintMs: number;
}

export class BeaconReplayTable {
  /** The sender that was silent the longest comes first. */
  readonly #senders = new Map<NodeId, Sender>();
  readonly #sendersMax: number;

  constructor(sendersMax = BEACON_SENDERS_MAX) {
    this.#sendersMax = sendersMax;
  }

  get senders(): number {
    return this.#senders.size;
  }

  /** What `admit` would say to a beacon that it would drop; undefined for one that it may admit. */
  drops({ nodeId, boot, sequence }: BeaconStamp): "repeated" | "replayed" | undefined {
    const sender = this.#senders.get(nodeId);
    const seen = sender?.boot === boot ? sender.sequence : sender?.oldBoots.get(boot);
    if (seen === undefined || sequence > seen) return undefined;
    return sender?.boot === boot && sequence === seen ? "repeated" : "replayed";
  }

  /** Judges a verified beacon and remembers it. `nowMs` is monotonic. */
  admit({ nodeId, boot, sequence }: BeaconStamp, nowMs: number): BeaconNovelty {
    const sender = this.#senders.get(nodeId);
    if (sender === undefined) {
      this.#remember(nodeId, boot, sequence);
      return "fresh";
    }
    if (boot < sender.boot) return admitOldBoot(sender, boot, sequence, nowMs);
    if (boot === sender.boot && sequence <= sender.sequence) {
      return sequence === sender.sequence ? "repeated" : "replayed";
    }
    sender.boot = boot;
    sender.sequence = sequence;
    this.#senders.delete(nodeId);
    this.#senders.set(nodeId, sender);
    return "fresh";
  }

  #remember(nodeId: NodeId, boot: number, sequence: number): void {
    if (this.#senders.size >= this.#sendersMax) {
      const [oldest] = this.#senders.keys();
      if (oldest !== undefined) this.#senders.delete(oldest);
    }
    const hintMs = Number.NEGATIVE_INFINITY;
    this.#senders.set(nodeId, { boot, sequence, oldBoots: new Map(), hintMs });
  }
}

function admitOldBoot(
  sender: Sender,
  boot: number,
  sequence: number,
  nowMs: number,
): BeaconNovelty {
  const seen = sender.oldBoots.get(boot);
  if (seen !== undefined && sequence <= seen) return "replayed";
  if (nowMs - sender.hintMs < BEACON_OLD_BOOT_INTERVAL_MS) return "replayed";
  if (seen === undefined && sender.oldBoots.size >= BEACON_OLD_BOOTS_MAX) {
    const [first] = sender.oldBoots.keys();
    if (first !== undefined) sender.oldBoots.delete(first);
  }
  sender.oldBoots.set(boot, sequence);
  sender.hintMs = nowMs;
  return "hint";
}
