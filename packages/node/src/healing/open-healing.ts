/** Puts the healer of a node together: what it sees, what it may do, what it remembers. */
import type { Leader } from "@hearthmesh/collective";
import { MeshError, type NodeId } from "@hearthmesh/core";
import type { Incident } from "@hearthmesh/healing";
import type { Config } from "../config/config.js";
import type { CoordinatorContacts } from "../coordinators/coordinator-contacts.js";
import type { NodeFiles, NodeRecord } from "../home.js";
import type { MemberGround } from "../member-authority.js";
import type { MethodRouter } from "../method-router.js";
import type { PeerLinks } from "../peer-links.js";
import type { Tools } from "../tools.js";
import { HealingPart, type HealingPartOptions } from "./healing-part.js";
import { incidentDesk } from "./incident-report.js";
import { KnowledgeFile } from "./knowledge-file.js";
import { MemberKnowledge } from "./knowledge-store.js";
import { type MemberHealingDeps, memberHealing } from "./member/member-healing.js";
import { LoopMeter } from "./mesh/loop-readings.js";
import { type MeshHealingDeps, meshHealing } from "./mesh/mesh-healing.js";
import { PeerWatch } from "./mesh/peer-watch.js";

interface OpenHealingOptions extends Tools {
  readonly config: Config;
  readonly record: NodeRecord;
}

/** On a node without a coordinator. Undefined while healing is off. */
export function openHealing(
  options: OpenHealingOptions & {
    readonly files: NodeFiles;
    readonly contacts: CoordinatorContacts;
    readonly peers: Pick<PeerLinks, "linkToAddresses">;
  },
): HealingPart | undefined {
  const { files, contacts, peers } = options;
  const onOtherLeader = (other: Leader) => void contacts.heardOf(other);
  // The one that leads, as far as is known here, or another one that says who does.
  const leader = async () => {
    let failure: unknown = new MeshError("MESH_UNREACHABLE", { message: "no address is known" });
    for (const { nodeId, linkAddresses } of contacts.contacts) {
      try {
        return await peers.linkToAddresses(nodeId, linkAddresses);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  };
  const knowledge = new KnowledgeFile(files.healing);
  return healingPart(options, { knowledge, report: { leader, onOtherLeader } });
}

/** On a coordinator; `router` gets what other nodes tell it. Undefined while healing is off. */
export function openMemberHealing(
  options: OpenHealingOptions & {
    readonly ground: Pick<MemberGround, "store" | "leadership">;
    readonly peers: Pick<PeerLinks, "linkToAddresses">;
    readonly router: MethodRouter;
  },
): HealingPart | undefined {
  const { record, ground, peers, router, clock } = options;
  const { store, leadership } = ground;
  const { nodeId } = record;
  const part = healingPart(options, {
    knowledge: new MemberKnowledge({ store, leadership, nodeId }),
    report: {
      leader: async () => {
        const { leader } = leadership.state;
        if (leader === undefined || leader.nodeId === nodeId) return undefined;
        return peers.linkToAddresses(leader.nodeId, leader.data.linkAddresses);
      },
      // The election says who leads.
      onOtherLeader: () => undefined,
    },
    onLeading: (lead) =>
      leadership.onChange(() => {
        if (leadership.state.role === "leader") lead();
      }),
  });
  if (part !== undefined) {
    const told = (incident: Incident) => part.told(incident);
    router.add(incidentDesk({ leadership, clock, told, known: (id) => part.known(id) }));
  }
  return part;
}

/** Its lists come when everything else is there. */
function healingPart(
  { config, record, clock, random, log }: OpenHealingOptions,
  own: Pick<HealingPartOptions, "knowledge" | "report" | "onLeading">,
): HealingPart | undefined {
  if (config.healingMode === "off") return undefined;
  const { nodeId, name } = record;
  return new HealingPart({
    self: { nodeId, name },
    mode: config.healingMode,
    ...own,
    ...{ clock, random, log: log.child({ part: "healing" }) },
  });
}

export type HealingDeps = Omit<MeshHealingDeps & MemberHealingDeps, "meter" | "peerWatch">;

/** What is to be started last: nothing while healing is off. */
export function healingParts(part: HealingPart | undefined, deps: HealingDeps): HealingPart[] {
  if (part === undefined) return [];
  const { mesh, clock } = deps;
  const log = deps.log.child({ part: "healing" });
  const isRevoked = (nodeId: NodeId) => mesh?.isRevoked(nodeId) === true;
  const peerWatch = mesh && new PeerWatch({ parts: mesh.parts, isRevoked, clock, log });
  const shared = { meter: new LoopMeter(clock), peerWatch };
  part.add(meshHealing({ ...deps, ...shared }));
  part.add(memberHealing({ ...deps, ...shared }));
  return [part];
}
