/**
 * Every symptom, once: how bad it is, how long it has to hold, what it means and what a person can
 * do. `docs/healing.md`, the CLI's `explain` and the alert rules are checked against this table.
 */
import type { SymptomKind } from "./fact.js";
import type { Severity } from "./symptom.js";

export interface SymptomDefinition {
  /** "node b is not reachable" is made of the subject's name and this. */
  readonly says: string;
  readonly severity: Severity;
  /** How long facts have to speak for it before it is believed. */
  readonly holdMs: number;
  /** How long they have to speak against it before it is over. */
  readonly clearMs: number;
  readonly meaning: string;
  /** For a person, when no remedy helps. */
  readonly advice: string;
  /**
   * Worth a line in the history, and no fault: nothing is to be mended, nobody is called, and the
   * node is as well as it was.
   */
  readonly isNote?: boolean;
}

function symptom(
  says: string,
  severity: Severity,
  [holdMs, clearMs]: readonly [number, number],
  meaning: string,
  advice: string,
): SymptomDefinition {
  return { says, severity, holdMs, clearMs, meaning, advice };
}

export const SYMPTOMS: Readonly<Record<SymptomKind, SymptomDefinition>> = {
  "node-left": {
    ...symptom(
      "has left in order",
      "info",
      [3_000, 0],
      "The node said goodbye: its daemon was stopped, or its machine shut down. That is no fault.",
      "Start it again when it is wanted; when it is gone for good, `mesh node remove`.",
    ),
    isNote: true,
  },
  "peer-unreachable": symptom(
    "does not answer",
    "warning",
    [0, 0],
    "Membership declared the node dead: neither it nor anybody who was asked got an answer.",
    "See whether the machine is on and its network works; `mesh peers` says what was tried.",
  ),
  "peer-relayed": symptom(
    "is reached through another node only",
    "info",
    [60_000, 0],
    "No direct connection could be made, so what goes there takes a longer way.",
    "Open the port for links on one side; `mesh peers` says why the direct way is closed.",
  ),
  "hub-lost": symptom(
    "is a hub that cannot be reached",
    "warning",
    [3_000, 0],
    "A node that passes streams on is away; what is behind a NAT may be cut off.",
    "Start the hub again, or give the node a second one with `--hub`.",
  ),
  "route-missing": symptom(
    "is alive, but no way leads there",
    "warning",
    [3_000, 0],
    "Others see the node; this one has neither a link to it nor a way through others.",
    "`mesh routes` shows the ways, `mesh peers` why dialling failed.",
  ),
  partition: symptom(
    "has lost half of its nodes at once",
    "critical",
    [0, 3_000],
    "So many nodes do not go at once by themselves: more likely is that this side is cut off.",
    "Look at the switch, the uplink or the VPN between the two sides.",
  ),
  "process-down": symptom(
    "is not running",
    "critical",
    [0, 0],
    "A program that this node runs and watches has ended or does not answer.",
    "Its own log says why; `mesh heal explain` shows how often it was started again.",
  ),
  "service-failing": symptom(
    "fails its health check",
    "warning",
    [10_000, 5_000],
    "The service is announced, and does not answer as it should.",
    "Look at the service itself; requests go to other nodes that offer it meanwhile.",
  ),
  "replicas-missing": symptom(
    "has fewer copies than it should",
    "warning",
    [5_000, 0],
    "Chunks lie on fewer zones than the member wants: one more loss may lose data.",
    "Bring the lost node back, or add a storage node: `mesh status` says how many are needed.",
  ),
  "layout-unbalanced": symptom(
    "is not laid out as planned",
    "info",
    [60_000, 0],
    "Chunks still lie where an older layout wanted them.",
    "`mesh worker list` shows whether rebalancing is paused or has errors.",
  ),
  "disk-filling": symptom(
    "is filling",
    "warning",
    [5_000, 30_000],
    "The disk is above its mark: soon nothing can be written.",
    "Add capacity, empty the trash, or raise the capacity if the disk has room.",
  ),
  "disk-full": symptom(
    "is all but full",
    "critical",
    [0, 30_000],
    "There is hardly room for the database, logs and certificates of the node itself.",
    "Free space on the machine now: `mesh trash empty`, or delete what is not the mesh's.",
  ),
  "node-corrupts": symptom(
    "gives back damaged chunks",
    "critical",
    [0, 0],
    "Several chunks of this node no longer have the hash that they were stored under.",
    "Check its disk and memory; drain and remove the node when they are broken.",
  ),
  "memory-high": symptom(
    "needs too much memory",
    "warning",
    [10_000, 30_000],
    "The process or the machine is near its limit, where the system starts to kill.",
    "Unload models, give the machine more memory, or run fewer roles on it.",
  ),
  "event-loop-lag": symptom(
    "answers late",
    "warning",
    [5_000, 10_000],
    "The process was busy so long that timers and requests waited.",
    "See what loads the machine; background work rests as long as this holds.",
  ),
  "load-high": symptom(
    "is under load",
    "info",
    [10_000, 30_000],
    "This process has little room left: what people ask for waits behind other work.",
    "Nothing, when it passes; else spread the work over more nodes.",
  ),
  "certificate-expiring": symptom(
    "expires soon and was not renewed",
    "critical",
    [0, 0],
    "Renewal at half of its life did not work; when it has expired nobody believes the node.",
    "See that the coordinator is reachable and the clocks agree.",
  ),
  "clock-skew": symptom(
    "has a clock that differs",
    "warning",
    [10_000, 10_000],
    "Certificates and leases are judged by clocks; too far apart, good ones are refused.",
    "Switch time synchronisation on (`timedatectl set-ntp true`, chrony).",
  ),
  "store-failing": symptom(
    "does not take what is written",
    "critical",
    [0, 0],
    "A key could not be set and read back in the member's store.",
    "`mesh store status` says why: disk, quorum or lock.",
  ),
  "store-member-lost": symptom(
    "is gone from the store's cluster",
    "critical",
    [0, 5_000],
    "A coordinator with a copy of the store is away; one more loss may stop all writes.",
    "Bring it back, or remove the node so that another can take its place.",
  ),
  "leader-struggling": symptom(
    "leads and is too slow",
    "warning",
    [15_000, 10_000],
    "The leading coordinator answers late while others could lead.",
    "See what loads that machine; another takes over when one is there.",
  ),
  "lead-changed": {
    ...symptom(
      "has lost the lead, or given it back",
      "info",
      [0, 0],
      "Another coordinator leads now, or the same one anew: the lease was given back or ran out.",
      "When it happens often, see what loads that machine and its disk.",
    ),
    isNote: true,
  },
  "pool-member-lost": symptom(
    "does not run on the machines that it should",
    "warning",
    [0, 0],
    "A machine that should hold a part of a model is away, slow, or back and not part of it.",
    "Bring the machine back; the others go on if the model fits on them.",
  ),
  "canary-failing": symptom(
    "does not do its work",
    "critical",
    [0, 0],
    "A real operation, such as writing and reading a chunk, fails on this node.",
    "`/health/ready` on the HTTP port of that node names the step that fails and why.",
  ),
};
