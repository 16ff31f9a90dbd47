/** What `status` says about discovery. */
import type { BeaconDoorReport, BeaconInterface } from "./beacon-door.js";
import type { CandidateReport, FoundMethod } from "./candidate.js";
import type { HubFinder } from "./hub-finder.js";
import type { BeaconCounts, LanBeacons } from "./lan-beacons.js";

/** `waiting`: it cannot work now and is tried again; `reason` says why. */
export type MethodState = "on" | "off" | "waiting";

export interface MethodReport {
  readonly enabled: boolean;
  readonly state: MethodState;
  readonly reason?: string;
  /** When it last found somebody. */
  readonly lastMs?: number;
}

/** A `CandidateReport` with its times in milliseconds since 1970. */
export type PeerDiscovery = CandidateReport;

export interface DiscoveryReport {
  readonly methods: Readonly<Record<FoundMethod, MethodReport>>;
  readonly peers: readonly PeerDiscovery[];
  readonly dialsUnderWay: number;
  readonly beacon?: {
    readonly interfaces: readonly BeaconInterface[];
    readonly counts: Readonly<BeaconCounts>;
    /** Above a rate limit. */
    readonly dropped: number;
  };
}

export interface ReportSources {
  candidates: readonly CandidateReport[];
  dialsUnderWay: number;
  door: BeaconDoorReport | undefined;
  beacons: LanBeacons | undefined;
  hubs: readonly HubFinder[];
  staticPeers: number;
  unreadable: readonly string[];
  hasInvite: boolean;
  hubsLeftOut: number;
  lastFoundMs: ReadonlyMap<FoundMethod, number>;
  toWallMs(monotonicMs: number): number;
}

export function makeReport(sources: ReportSources): DiscoveryReport {
  const { candidates, door, beacons, toWallMs } = sources;
  const methods: Record<FoundMethod, MethodReport> = {
    beacon: method(sources, "beacon", door !== undefined, beaconReason(door, beacons)),
    static: method(sources, "static", sources.staticPeers > 0, staticReason(sources)),
    hub: method(sources, "hub", sources.hubs.length > 0, hubReason(sources)),
    invite: method(sources, "invite", sources.hasInvite, undefined),
    snapshot: method(sources, "snapshot", true, undefined),
    gossip: method(sources, "gossip", true, undefined),
  };
  const peers = candidates.map((candidate) => inWallTime(candidate, toWallMs));
  const { dialsUnderWay } = sources;
  if (door === undefined || beacons === undefined) return { methods, peers, dialsUnderWay };
  const { interfaces, dropped } = door;
  const beacon = { interfaces, dropped, counts: { ...beacons.counts } };
  return { methods, peers, dialsUnderWay, beacon };
}

function method(
  { lastFoundMs, toWallMs }: ReportSources,
  name: FoundMethod,
  enabled: boolean,
  reason: string | undefined,
): MethodReport {
  const lastMs = lastFoundMs.get(name);
  const last = lastMs === undefined ? {} : { lastMs: toWallMs(lastMs) };
  if (!enabled) return { enabled, state: "off", ...last };
  if (reason === undefined) return { enabled, state: "on", ...last };
  return { enabled, state: "waiting", reason, ...last };
}

function beaconReason(
  door: BeaconDoorReport | undefined,
  beacons: LanBeacons | undefined,
): string | undefined {
  if (door?.state === "stopped") return "the node is not running";
  return door?.reason ?? beacons?.reason;
}

function staticReason({ unreadable }: ReportSources): string | undefined {
  if (unreadable.length === 0) return undefined;
  const names = unreadable.slice(0, 3).map((text) => JSON.stringify(text.slice(0, 80)));
  return `these peers are left out, they are not host:port or there are too many: ${names}`;
}

function hubReason({ hubs, hubsLeftOut }: ReportSources): string | undefined {
  const reasons = hubs.flatMap(({ reason }) => reason ?? []);
  if (hubsLeftOut > 0) reasons.push(`${hubsLeftOut} hubs are too many and are left out`);
  return reasons.length === 0 ? undefined : reasons.join("; ");
}

function inWallTime(candidate: CandidateReport, toWallMs: (ms: number) => number): PeerDiscovery {
  const { foundBy, lastErrorMs, nextAttemptMs, ...rest } = candidate;
  return {
    ...rest,
    foundBy: foundBy.map((found) => ({ ...found, atMs: toWallMs(found.atMs) })),
    ...(lastErrorMs === undefined ? {} : { lastErrorMs: toWallMs(lastErrorMs) }),
    ...(nextAttemptMs === undefined ? {} : { nextAttemptMs: toWallMs(nextAttemptMs) }),
  };
}
