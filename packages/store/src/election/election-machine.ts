/**
 * Decides who leads, without any I/O: at most one node leads in an epoch, and epochs only grow.
 *
 * The leader key of the store lives with the leader's lease; whoever writes it raises the epoch in
 * the same transaction. The machine is told what the store answered and says what to ask it next.
 *
 * States: `idle` -> `following` (another leads, or nobody does) -> `campaigning` (lease and
 * transaction are on their way) -> `leading` -> `following` ...; `stopped` ends it from any state.
 *
 * Invariants:
 * 1. It leads in an epoch only after the store answered that its transaction made this epoch.
 * 2. It trusts its leadership until `ELECTION_TRUST_SHARE` of the lease time after it SENT the last
 *    renewal that was answered with "the lease lives and the leader key is as you wrote it". Both
 *    clocks count: the monotonic one, and the time of day when that went further, because the
 *    monotonic clock of a machine that sleeps stands still.
 * 3. A campaign names the revision of the leader key that it replaces, so that of several campaigns
 *    one wins. Replaced at once are: its own key of this or an earlier run, a key without a lease,
 *    and the key of a suspected node. Every other key has to go first.
 * 4. What was seen at an older revision never takes the place of what was seen at a newer one.
 * 5. A lost leadership is given back (`release`) and never resumed: the next one has a new epoch.
 *
 * Errors: none. A failure of the store is an event; the machine tries again with growing waits.
 *
 * After Gray and Cheriton, "Leases" (SOSP 1989), and the fencing tokens of Chubby (OSDI 2006).
 */
import type {
  ElectionEffect,
  ElectionEvent,
  Instant,
  SeenLeader,
  Sight,
  StepDownReason,
} from "./election-events.js";
import * as own from "./limits.js";

export interface ElectionMachineOptions {
  readonly nodeId: string;
  readonly session: string;
  readonly leaseTimeMs: number;
  /** Uniform in [0, 1). */
  readonly jitter: () => number;
}

interface Leadership {
  readonly attempt: number;
  readonly leader: SeenLeader;
  /** When the last answered renewal was sent; the lease lives at least one lease time from then. */
  trustedFrom: Instant;
  /** Number of that renewal; the campaign counts as the first. */
  trustedRenewal: number;
  readonly renewals: Map<number, Instant>;
  lastSent: Instant;
  nextRenewalMs: number;
}

export class ElectionMachine {
  readonly #options: ElectionMachineOptions;
  #phase: "idle" | "following" | "campaigning" | "leading" | "stopped" = "idle";
  #seen: Sight | undefined;
  /** Revision of a key that an earlier run of this node left behind. */
  #inherited = 0;
  #suspicion = { modRevision: 0, untilMs: 0 };
  #campaign = { attempt: 0, sent: { monotonicMs: 0, wallMs: 0 }, bySuspicion: false };
  /** Campaigns in a row that took too long. */
  #slowCampaigns = 0;
  /** The last takeover by suspicion, and how long it forbids the next. */
  #takeover = { atMs: Number.NEGATIVE_INFINITY, pauseMs: 0 };
  #leadership: Leadership | undefined;
  #lastRenewal = 0;
  #failures = 0;
  /** No campaign before this time. */
  #campaignFromMs = 0;
  #nextLookMs = 0;

  constructor(options: ElectionMachineOptions) {
    this.#options = options;
  }

  /** The present leadership, trusted or not. */
  get leading(): SeenLeader | undefined {
    return this.#leadership?.leader;
  }

  /** Who leads, as far as the store has told; not what an earlier run or campaign left behind. */
  get leader(): SeenLeader | undefined {
    if (this.#leadership !== undefined) return this.#leadership.leader;
    const leader = this.#seen?.leader;
    const isLeftOver =
      leader?.session === this.#options.session || leader?.modRevision === this.#inherited;
    return isLeftOver ? undefined : leader;
  }

  /** Something is known: who leads, or that nobody does and this node is not about to. */
  get settled(): boolean {
    return this.#phase === "leading" || this.#phase === "stopped" || this.leader !== undefined;
  }

  isTrusted(now: Instant): boolean {
    const from = this.#leadership?.trustedFrom;
    if (from === undefined) return false;
    return Math.max(elapsed(from, now), now.wallMs - from.wallMs) < this.#trustMs;
  }

  /** Monotonic time of the next `tick`; undefined: none is needed. */
  get dueMs(): number | undefined {
    switch (this.#phase) {
      case "campaigning":
        return this.#campaign.sent.monotonicMs + this.#campaignMs;
      case "following":
        return this.#mayCampaign
          ? Math.min(this.#campaignFromMs, this.#nextLookMs)
          : this.#nextLookMs;
      case "leading":
        return this.#leadership === undefined ? undefined : this.#leadershipDueMs(this.#leadership);
      default:
        return undefined;
    }
  }

  step(event: ElectionEvent, now: Instant): ElectionEffect[] {
    const effects: ElectionEffect[] = [];
    if (this.#phase === "stopped" || (this.#phase === "idle" && event.type !== "start")) {
      if (event.type === "won") effects.push({ type: "release", attempt: event.attempt });
      if (event.type === "stop") this.#phase = "stopped";
      return effects;
    }
    this.#endWhatIsOver(now, effects);
    this.#take(event, now, effects);
    this.#act(now, effects);
    return effects;
  }

  get #trustMs(): number {
    return this.#share(own.ELECTION_TRUST_SHARE);
  }

  get #campaignMs(): number {
    const share = own.ELECTION_CAMPAIGN_SHARE * 2 ** Math.min(this.#slowCampaigns, 8);
    return this.#share(Math.min(share, own.ELECTION_CAMPAIGN_SHARE_MAX));
  }

  #share(share: number): number {
    return this.#options.leaseTimeMs * share;
  }

  #leadershipDueMs({ trustedFrom, renewals, nextRenewalMs }: Leadership): number {
    const endMs = trustedFrom.monotonicMs + this.#trustMs;
    return renewals.size >= own.ELECTION_RENEWALS_MAX ? endMs : Math.min(endMs, nextRenewalMs);
  }

  /** Time alone ends a leadership, a suspicion and a campaign, before anything else happens. */
  #endWhatIsOver(now: Instant, effects: ElectionEffect[]): void {
    const { trustedFrom } = this.#leadership ?? {};
    if (trustedFrom !== undefined && elapsed(trustedFrom, now) >= this.#trustMs) {
      this.#stepDown("not-renewed", now, effects);
    }
    if (now.monotonicMs >= this.#suspicion.untilMs) this.#suspicion.modRevision = 0;
    if (this.#phase !== "campaigning") return;
    if (elapsed(this.#campaign.sent, now) < this.#campaignMs) return;
    this.#slowCampaigns++;
    this.#giveUpCampaign(now, effects);
  }

  #take(event: ElectionEvent, now: Instant, effects: ElectionEffect[]): void {
    switch (event.type) {
      case "tick":
        break;
      case "start":
        if (this.#phase === "idle") this.#phase = "following";
        break;
      case "stop":
        this.#stop(now, effects);
        break;
      case "resign":
        this.#stepDown("resigned", now, effects);
        this.#waitForCampaign(now, event.forMs);
        break;
      case "lookFailed":
        this.#nextLookMs = now.monotonicMs + this.#retryMs();
        break;
      case "seen":
        this.#failures = 0;
        this.#see(event.sight, now, effects);
        break;
      case "won":
        this.#won(event.attempt, event.leader, effects);
        break;
      case "beaten":
      case "failed":
        this.#campaignEnded(event, now, effects);
        break;
      case "renewed":
        this.#renewed(event.renewal, event.sight, now, effects);
        break;
      case "renewalFailed":
        this.#renewalFailed(event.renewal, event.leaseEnded, now, effects);
        break;
      case "suspected":
        this.#suspect(event.nodeId, now);
        break;
      case "fenced":
        if (this.#leadership?.leader.modRevision !== event.modRevision) break;
        this.#stepDown("replaced", now, effects);
        break;
    }
  }

  /** What the state asks for by now. */
  #act(now: Instant, effects: ElectionEffect[]): void {
    if (this.#leadership !== undefined) this.#renewWhenDue(this.#leadership, now, effects);
    if (this.#phase !== "following") return;
    if (this.#mayCampaign && now.monotonicMs >= this.#campaignFromMs) {
      this.#phase = "campaigning";
      const replaces = this.#seen?.leader?.modRevision ?? 0;
      const bySuspicion = replaces !== 0 && replaces === this.#suspicion.modRevision;
      this.#campaign = { attempt: this.#campaign.attempt + 1, sent: now, bySuspicion };
      effects.push({ type: "campaign", attempt: this.#campaign.attempt, replaces });
    } else if (now.monotonicMs >= this.#nextLookMs) {
      this.#nextLookMs = now.monotonicMs + this.#options.leaseTimeMs;
      effects.push({ type: "look" });
    }
  }

  /** Whether the leader key, as it was seen, may be written by this node. */
  get #mayCampaign(): boolean {
    if (this.#seen === undefined) return false;
    const { leader } = this.#seen;
    if (leader === undefined) return true;
    const { modRevision, session, leaseId } = leader;
    if (session === this.#options.session || leaseId === 0) return true;
    return modRevision === this.#inherited || modRevision === this.#suspicion.modRevision;
  }

  #see(sight: Sight, now: Instant, effects: ElectionEffect[]): void {
    const before = this.#seen;
    if (before !== undefined && sight.revision < before.revision) return;
    this.#seen = sight;
    const { leader } = sight;
    if (before === undefined && leader?.nodeId === this.#options.nodeId) {
      this.#inherited = leader.modRevision;
    }
    if (before?.leader !== undefined && leader === undefined) {
      if (before.leader.nodeId !== this.#options.nodeId) this.#restNoLonger(now);
      const spreadMs = Math.min(own.ELECTION_SPREAD_MS, this.#options.leaseTimeMs / 20);
      this.#waitForCampaign(now, spreadMs * this.#options.jitter());
    }
    const mine = this.#leadership?.leader.modRevision;
    if (mine !== undefined && leader?.modRevision !== mine) {
      this.#stepDown(leader === undefined ? "lease-ended" : "replaced", now, effects);
    }
  }

  #isCampaign(attempt: number): boolean {
    return this.#phase === "campaigning" && attempt === this.#campaign.attempt;
  }

  #won(attempt: number, leader: SeenLeader, effects: ElectionEffect[]): void {
    const isMine = this.#isCampaign(attempt);
    const { sent } = this.#campaign;
    const sight = { revision: leader.modRevision, leader };
    const isNewest = this.#seen === undefined || this.#seen.revision <= sight.revision;
    if (isNewest) this.#seen = sight;
    if (!isMine || !isNewest) {
      effects.push({ type: "release", attempt });
      if (isMine) this.#phase = "following";
      return;
    }
    this.#failures = 0;
    this.#slowCampaigns = 0;
    this.#phase = "leading";
    if (this.#campaign.bySuspicion) this.#pauseSuspicion(sent.monotonicMs);
    const nextRenewalMs = sent.monotonicMs + this.#share(own.ELECTION_RENEWAL_SHARE);
    const renewals = new Map<number, Instant>();
    const base = { attempt, leader, renewals, nextRenewalMs };
    this.#leadership = { ...base, trustedFrom: sent, trustedRenewal: 0, lastSent: sent };
    effects.push({ type: "tookOver", epoch: leader.epoch });
  }

  #campaignEnded(
    event: Extract<ElectionEvent, { type: "beaten" | "failed" }>,
    now: Instant,
    effects: ElectionEffect[],
  ): void {
    if (!this.#isCampaign(event.attempt)) return;
    if (event.type === "beaten") {
      this.#failures = 0;
      this.#slowCampaigns = 0;
      this.#see(event.sight, now, effects);
    }
    this.#giveUpCampaign(now, effects);
  }

  #giveUpCampaign(now: Instant, effects: ElectionEffect[]): void {
    effects.push({ type: "release", attempt: this.#campaign.attempt });
    this.#phase = "following";
    this.#nextLookMs = now.monotonicMs;
    this.#waitForCampaign(now, this.#retryMs());
  }

  #renewWhenDue(leadership: Leadership, now: Instant, effects: ElectionEffect[]): void {
    const { attempt, renewals, lastSent } = leadership;
    // The time of day went on without the monotonic clock: the machine slept.
    const slept = now.wallMs - lastSent.wallMs >= this.#trustMs;
    if (!slept && now.monotonicMs < leadership.nextRenewalMs) return;
    if (renewals.size >= own.ELECTION_RENEWALS_MAX) return;
    const renewal = ++this.#lastRenewal;
    renewals.set(renewal, now);
    leadership.lastSent = now;
    leadership.nextRenewalMs = now.monotonicMs + this.#share(own.ELECTION_RENEWAL_SHARE);
    effects.push({ type: "renew", attempt, renewal });
  }

  #renewed(renewal: number, sight: Sight, now: Instant, effects: ElectionEffect[]): void {
    const sent = this.#leadership?.renewals.get(renewal);
    this.#leadership?.renewals.delete(renewal);
    this.#see(sight, now, effects);
    const leadership = this.#leadership;
    if (leadership === undefined || sent === undefined) return;
    if (sight.leader?.modRevision !== leadership.leader.modRevision) return;
    if (renewal < leadership.trustedRenewal) return;
    leadership.trustedRenewal = renewal;
    leadership.trustedFrom = sent;
  }

  #renewalFailed(
    renewal: number,
    leaseEnded: boolean,
    now: Instant,
    effects: ElectionEffect[],
  ): void {
    const leadership = this.#leadership;
    if (leadership?.renewals.delete(renewal) !== true) return;
    if (leaseEnded) {
      this.#stepDown("lease-ended", now, effects);
      return;
    }
    const soonMs = now.monotonicMs + this.#share(own.ELECTION_RENEWAL_SHARE) / 4;
    leadership.nextRenewalMs = Math.min(leadership.nextRenewalMs, soonMs);
  }

  #suspect(nodeId: string, now: Instant): void {
    const leader = this.#seen?.leader;
    if (leader === undefined || leader.nodeId !== nodeId || nodeId === this.#options.nodeId) return;
    if (now.monotonicMs < this.#takeover.atMs + this.#takeover.pauseMs) return;
    const untilMs = now.monotonicMs + this.#share(own.ELECTION_SUSPICION_SHARE);
    this.#suspicion = { modRevision: leader.modRevision, untilMs };
  }

  #pauseSuspicion(nowMs: number): void {
    const longestMs = this.#share(own.ELECTION_SUSPICION_PAUSE_SHARE_MAX);
    const shortestMs = this.#share(own.ELECTION_SUSPICION_PAUSE_SHARE);
    const isRecent = nowMs - this.#takeover.atMs < 2 * longestMs;
    const pauseMs = isRecent ? Math.min(longestMs, 2 * this.#takeover.pauseMs) : shortestMs;
    this.#takeover = { atMs: nowMs, pauseMs };
  }

  #stepDown(reason: StepDownReason, now: Instant, effects: ElectionEffect[]): void {
    const leadership = this.#leadership;
    if (leadership === undefined) return;
    this.#leadership = undefined;
    this.#phase = "following";
    const { attempt, leader } = leadership;
    effects.push({ type: "steppedDown", epoch: leader.epoch, reason });
    effects.push({ type: "release", attempt });
    this.#nextLookMs = now.monotonicMs;
    const spreadMs = this.#share(own.ELECTION_RETRY_SHARE_MAX) * this.#options.jitter();
    this.#waitForCampaign(now, spreadMs);
  }

  #stop(now: Instant, effects: ElectionEffect[]): void {
    if (this.#phase === "campaigning") this.#giveUpCampaign(now, effects);
    this.#stepDown("resigned", now, effects);
    this.#phase = "stopped";
  }

  /** Who resigned leaves the others one lease time, and not nobody for the whole of its rest. */
  #restNoLonger(now: Instant): void {
    const latestMs = now.monotonicMs + this.#options.leaseTimeMs;
    this.#campaignFromMs = Math.min(this.#campaignFromMs, latestMs);
  }

  #waitForCampaign(now: Instant, delayMs: number): void {
    this.#campaignFromMs = Math.max(this.#campaignFromMs, now.monotonicMs + delayMs);
  }

  #retryMs(): number {
    const longestMs = this.#share(own.ELECTION_RETRY_SHARE_MAX);
    const delayMs = Math.min(longestMs, own.ELECTION_RETRY_MS * 2 ** Math.min(this.#failures, 16));
    this.#failures++;
    return delayMs * (0.5 + this.#options.jitter() / 2);
  }
}

function elapsed(from: Instant, now: Instant): number {
  return now.monotonicMs - from.monotonicMs;
}
