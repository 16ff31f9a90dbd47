/** The seat of the leading coordinator, put together with this node's links and store. */
import {
  type Coordinator,
  CoordinatorSeat,
  type CoordinatorView,
  CopiesAccess,
  FileReader,
} from "@hearthmesh/collective";
import { parseMemberId, parseTrustDomain } from "@hearthmesh/core";
import type { NodeRecord } from "../home.js";
import type { LinkDoors } from "../link-doors.js";
import type { MemberGround } from "../member-authority.js";
import type { PeerLinks } from "../peer-links.js";
import type { Tools } from "../tools.js";
import { tellLeader } from "./leader-news.js";

export interface SeatOptions extends Tools {
  record: NodeRecord;
  ground: MemberGround;
  startCoordinator(epoch: number): Coordinator;
  links: LinkDoors;
  peers: PeerLinks;
}

export function coordinatorSeat(options: SeatOptions): CoordinatorSeat {
  const { record, ground, links, peers, clock, random, log } = options;
  const { authority, store, leadership } = ground;
  const access = new CopiesAccess(authority, (domain) => authority.quotas.get(domain));
  return new CoordinatorSeat({
    nodeId: record.nodeId,
    trustDomain: parseTrustDomain(record.trustDomain),
    leadership,
    makeCoordinator: (epoch) => options.startCoordinator(epoch),
    reader: new FileReader({ store, access, clock, random }),
    emptyView: emptyView(record),
    linkTo: ({ nodeId, data }) => peers.linkToAddresses(nodeId, data.linkAddresses),
    links: () => links.links(),
    onSeated: () => {
      const { leader } = leadership.state;
      if (leader !== undefined) tellLeader(links.links(), leader, log);
    },
    clock,
    log,
  });
}

/** Of a coordinator that has not heard from the leader yet. */
function emptyView({ memberId }: NodeRecord): CoordinatorView {
  return {
    nodes: [],
    layout: { v: 1, version: 0, replicas: 0, nodes: [] },
    status: {
      memberId: parseMemberId(memberId),
      epoch: 0,
      layoutVersion: 0,
      replicas: 0,
      acksNeeded: 0,
      zonesAvailable: 0,
      nodes: { total: 0, online: 0 },
      replication: undefined,
      repairQueue: 0,
      uploadsOpen: 0,
      totals: undefined,
      copies: undefined,
      workers: [],
    },
    operations: {},
  };
}
