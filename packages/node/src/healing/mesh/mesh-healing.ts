/**
 * What the healer of every node sees and mends of the mesh and of its own process: peers, hubs,
 * routes, services, supervised processes, load, memory, certificate, clock, canary.
 */
import type { CoordinatorSeat } from "@hearthmesh/collective";
import type { HealthResponse } from "@hearthmesh/gateway/contracts";
import type { NodeModels } from "../../ai/model-sources.js";
import type { Config } from "../../config/config.js";
import type { CredentialHolder } from "../../credential-holder.js";
import type { NodeRecord } from "../../home.js";
import type { LinkDoors } from "../../link-doors.js";
import type { MemberGround } from "../../member-authority.js";
import type { MeshPart } from "../../mesh/mesh-part.js";
import type { PeerLinks } from "../../peer-links.js";
import type { SupervisedProcess, SupervisedProcesses } from "../../processes/supervised-process.js";
import type { Renewal } from "../../renewal.js";
import type { StoragePart } from "../../storage-part.js";
import type { Tools } from "../../tools.js";
import type { HealingList } from "../healing-list.js";
import { CanaryMonitor } from "./canary-monitor.js";
import { CertificateMonitor } from "./certificate-monitor.js";
import { ClockMonitor } from "./clock-monitor.js";
import { FailOverHub } from "./fail-over-hub.js";
import { HubMonitor } from "./hub-monitor.js";
import { LoopMonitor } from "./loop-monitor.js";
import type { LoopMeter } from "./loop-readings.js";
import { MemoryMonitor } from "./memory-monitor.js";
import { readMemory } from "./memory-readings.js";
import { PartitionMonitor } from "./partition-monitor.js";
import { PeerMonitor } from "./peer-monitor.js";
import type { PeerWatch } from "./peer-watch.js";
import { ProcessMonitor } from "./process-monitor.js";
import { ReRoute } from "./re-route.js";
import { Redial } from "./redial.js";
import { Rejoin } from "./rejoin.js";
import { RenewCertificate } from "./renew-certificate.js";
import { RestartProcess } from "./restart-process.js";
import { ServiceMonitor } from "./service-monitor.js";
import { collectGarbage, ShedMemory } from "./shed-memory.js";
import { type Restrainable, ThrottleBackground } from "./throttle-background.js";
import { WayMonitor } from "./way-monitor.js";
import { WithdrawService } from "./withdraw-service.js";

export interface MeshHealingDeps extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
  readonly credentials: CredentialHolder;
  readonly renewal: Renewal;
  readonly links: LinkDoors;
  readonly peers: PeerLinks;
  /** Undefined while the mesh is off, as what was seen of the others. */
  readonly mesh: MeshPart | undefined;
  readonly peerWatch: PeerWatch | undefined;
  /** Undefined while the mesh is off on a node without a coordinator. */
  readonly models: NodeModels["sources"] | undefined;
  /** On a coordinator; its store is maybe an etcd that this node supervises. */
  readonly coordinator:
    | {
        readonly ground: Pick<MemberGround, "memberStore">;
        readonly seat: Pick<CoordinatorSeat, "isSeated" | "restrain">;
      }
    | undefined;
  /** Shared with what judges whether the leading coordinator keeps up. */
  readonly meter: LoopMeter;
  /** Undefined on a node without the role. */
  readonly storage: StoragePart | undefined;
  /** The canary on the real path. */
  ready(): Promise<HealthResponse>;
}

export function meshHealing(deps: MeshHealingDeps): HealingList {
  const own = ofThisNode(deps);
  const { mesh, peerWatch } = deps;
  if (mesh === undefined || peerWatch === undefined) return own;
  const others = ofTheMesh(deps, mesh, peerWatch);
  return {
    monitors: [...others.monitors, ...own.monitors],
    remedies: [...others.remedies, ...own.remedies],
  };
}

/** The process and the programs that it runs. */
function ofThisNode(deps: MeshHealingDeps): HealingList {
  const { record: node, credentials, renewal, links, ready, meter, clock } = deps;
  const processes = supervised(deps);
  return {
    monitors: [
      new ProcessMonitor(processes),
      new LoopMonitor({
        meter,
        waitingRequests: () => sum(links.links().map((link) => link.inspect().openRequests)),
        node,
      }),
      new MemoryMonitor(() => readMemory()),
      new CertificateMonitor({ credentials, node, clock }),
      new CanaryMonitor({ ready, node, clock }),
    ],
    remedies: [
      new RestartProcess(processes, clock),
      new ThrottleBackground(backgroundWork(deps)),
      new ShedMemory({
        read: () => readMemory(),
        collect: collectGarbage,
        models: deps.models?.upkeep,
        clock,
      }),
      new RenewCertificate(renewal, credentials),
    ],
  };
}

function ofTheMesh(deps: MeshHealingDeps, mesh: MeshPart, peers: PeerWatch): HealingList {
  const { record: node, coordinator, clock } = deps;
  const { parts } = mesh;
  const { memberId, name: nodeName } = node;
  const speaksOfOthers = () => coordinator?.seat.isSeated === true;
  return {
    monitors: [
      new PartitionMonitor({ peers, memberId, nodeName }),
      new PeerMonitor({ peers, parts }),
      new WayMonitor({ peers, parts }),
      new HubMonitor(parts),
      new ServiceMonitor(parts),
      new ClockMonitor({ parts, node, speaksOfOthers, clock }),
    ],
    remedies: [
      new Redial({ parts, clock }),
      new ReRoute(parts),
      new Rejoin({ parts, peers, clock }),
      new FailOverHub(parts),
      new WithdrawService(parts),
    ],
  };
}

/** Programs of this node, and the engines of its models. */
function supervised({ coordinator, mesh, models }: MeshHealingDeps): SupervisedProcesses {
  const source = coordinator?.ground.memberStore.source;
  const store = source?.mode === "supervised" ? [source.supervisor.process] : [];
  const overlay = mesh?.overlay === undefined ? [] : [mesh.overlay.process];
  const programs: readonly SupervisedProcess[] = [...store, ...overlay];
  const engines = models?.upkeep.engines;
  return {
    list: () => [...programs, ...(engines?.list() ?? [])],
    onChange: (listener) => {
      const ends = [
        ...programs.map((one) => one.onChange?.(listener)),
        engines?.onChange(listener),
      ];
      return () => {
        for (const end of ends) end?.();
      };
    },
  };
}

function backgroundWork({ coordinator, storage }: MeshHealingDeps): Restrainable[] {
  const work: Restrainable[] = [];
  if (coordinator !== undefined) {
    const { seat } = coordinator;
    work.push({ name: "the coordinator's workers", restrain: (on) => seat.restrain(on) });
  }
  if (storage !== undefined) {
    work.push({ name: "scrub and compaction", restrain: (on) => storage.restrain(on) });
  }
  return work;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
