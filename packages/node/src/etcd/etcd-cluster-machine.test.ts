import { describe, expect, it } from "vitest";
import {
  type ClusterStep,
  EtcdClusterMachine,
  isSafeWithout,
  type Look,
  type SeenMember,
} from "./etcd-cluster-machine.js";

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

function member(name: string, changes: Partial<SeenMember> = {}): SeenMember {
  return {
    id: `id-${name}`,
    nodeId: name,
    isLearner: false,
    peerUrls: [`https://${name}:1`],
    isReachable: true,
    ...changes,
  };
}

function look(changes: Partial<Look> & { members?: SeenMember[]; leader?: string } = {}): Look {
  const { members, leader, ...rest } = changes;
  return {
    cluster:
      members === undefined
        ? undefined
        : { clusterId: "c", leaderId: `id-${leader ?? "a"}`, members },
    isForeign: false,
    own: { peerUrls: ["https://a:1"], hasData: true, running: true, memberId: undefined },
    aliveNodeIds: [],
    knowsOthers: false,
    removedNodeIds: new Set(),
    ...rest,
  };
}

const FRESH = { peerUrls: ["https://a:1"], hasData: false, running: false, memberId: undefined };

class Driver {
  readonly machine: EtcdClusterMachine;
  nowMs = 0;

  constructor(options: { votersMax?: number; mayCreate?: boolean } = {}) {
    this.machine = new EtcdClusterMachine({
      nodeId: "a",
      votersMax: 3,
      mayCreate: false,
      ...options,
    });
  }

  look(seen: Look, waitMs = 5 * SECOND): ClusterStep | undefined {
    this.nowMs += waitMs;
    return this.machine.step({ type: "look", look: seen }, this.nowMs);
  }

  done(): void {
    this.machine.step({ type: "done" }, this.nowMs);
  }

  /** Looks every two seconds for this long; the first step that comes. */
  watch(seen: Look, durationMs: number): ClusterStep | undefined {
    for (let passedMs = 0; passedMs < durationMs; passedMs += 2 * SECOND) {
      const step = this.look(seen, 2 * SECOND);
      if (step !== undefined) return step;
    }
    return undefined;
  }
}

describe("the first node", () => {
  it("begins the store, once, and only when no other coordinator is known", () => {
    const driver = new Driver({ mayCreate: true });
    expect(driver.look(look({ own: FRESH, knowsOthers: true }))).toBeUndefined();
    expect(driver.machine.phase).toBe("waiting");
    expect(driver.look(look({ own: FRESH }))).toEqual({ type: "create" });
    expect(driver.look(look({ own: FRESH }))).toBeUndefined();
  });

  it("never begins a second one when its data is gone", () => {
    const driver = new Driver({ mayCreate: true });
    const own = { ...FRESH, memberId: "id-a" };
    expect(driver.watch(look({ own }), MINUTE)).toBeUndefined();
    expect(driver.machine.phase).toBe("data lost");
  });

  it("starts with the data that is there, without waiting for anybody", () => {
    const driver = new Driver({ mayCreate: true });
    const own = { ...FRESH, hasData: true, memberId: "id-a" };
    expect(driver.look(look({ own, knowsOthers: true }))).toEqual({ type: "start" });
  });
});

describe("a coordinator that joined the member", () => {
  it("waits for one that answers and never begins a store", () => {
    const driver = new Driver();
    expect(driver.watch(look({ own: FRESH }), 10 * MINUTE)).toBeUndefined();
    expect(driver.machine.phase).toBe("waiting");
  });

  it("joins as a learner, stands by behind another one, and when all votes are taken", () => {
    const driver = new Driver();
    const learner = member("b", { isLearner: true });
    expect(driver.look(look({ own: FRESH, members: [member("c"), learner] }))).toBeUndefined();
    expect(driver.machine.phase).toBe("standing by");
    const full = ["b", "c", "d"].map((name) => member(name));
    expect(driver.look(look({ own: FRESH, members: full }))).toBeUndefined();
    expect(driver.look(look({ own: FRESH, members: full.slice(1) }))).toEqual({ type: "join" });
  });

  it("goes on with a join that broke off", () => {
    const driver = new Driver();
    const entry = member("?", { nodeId: undefined, isLearner: true, peerUrls: ["https://a:1"] });
    const members = [member("b"), entry];
    expect(driver.look(look({ own: FRESH, members }))).toEqual({ type: "startJoining" });
  });

  it("is promoted when that makes an odd number, or a third one waits", () => {
    const self = member("a", { isLearner: true });
    const alone = look({ members: [member("b"), self], leader: "b", aliveNodeIds: ["b"] });
    const driver = new Driver();
    expect(driver.watch(alone, MINUTE)).toBeUndefined();
    expect(driver.machine.phase).toBe("learning");
    const promote = { type: "promoteSelf", memberId: "id-a" };
    expect(driver.look({ ...alone, aliveNodeIds: ["b", "c"] })).toEqual(promote);
    const third = look({ members: [member("b"), member("c"), self], leader: "b" });
    expect(new Driver().look(third)).toEqual(promote);
    const full = look({ members: [...["b", "c", "d"].map((name) => member(name)), self] });
    expect(new Driver().look(full)).toBeUndefined();
  });
});

describe("a node whose data does not fit the cluster", () => {
  it("puts its data aside when it was removed, but not at the first word of it", () => {
    const driver = new Driver();
    const seen = look({
      members: [member("b"), member("c")],
      leader: "b",
      own: { ...FRESH, hasData: true, memberId: "id-a" },
    });
    expect(driver.look(seen)).toBeUndefined();
    expect(driver.watch(seen, 30 * SECOND)).toEqual({ type: "setAside" });
  });

  it("takes its own entry out when its data is gone and the others are enough", () => {
    const members = [member("a", { isReachable: false }), member("b"), member("c")];
    const own = { ...FRESH, memberId: "id-a" };
    expect(new Driver().look(look({ members, leader: "b", own }))).toEqual({
      type: "remove",
      memberId: "id-a",
      reason: "data lost",
    });
    const two = look({ members: members.slice(0, 2), leader: "b", own });
    const driver = new Driver();
    expect(driver.watch(two, MINUTE)).toBeUndefined();
    expect(driver.machine.phase).toBe("data lost");
  });

  it("does nothing while another cluster answers", () => {
    const driver = new Driver({ mayCreate: true });
    expect(driver.look(look({ isForeign: true, own: FRESH }))).toBeUndefined();
    expect(driver.machine.phase).toBe("foreign");
  });

  it("tells the cluster when its addresses changed", () => {
    const members = [member("a", { peerUrls: ["https://old:1"] })];
    expect(new Driver().look(look({ members }))).toEqual({
      type: "updateSelf",
      memberId: "id-a",
    });
  });
});

describe("a member that does not answer", () => {
  const lost = member("c", { isReachable: false });

  it("stays while nobody can replace it, however long that is", () => {
    const driver = new Driver();
    const seen = look({ members: [member("a"), member("b"), lost], aliveNodeIds: ["b"] });
    expect(driver.watch(seen, 60 * MINUTE)).toBeUndefined();
  });

  it("is replaced after a quarter of an hour when a coordinator waits", () => {
    const driver = new Driver();
    const seen = look({ members: [member("a"), member("b"), lost], aliveNodeIds: ["b", "d"] });
    expect(driver.watch(seen, 15 * MINUTE)).toBeUndefined();
    expect(driver.watch(seen, MINUTE)).toEqual({
      type: "remove",
      memberId: "id-c",
      reason: "lost",
    });
  });

  it("is not replaced because this process stood still for an hour", () => {
    const driver = new Driver();
    const seen = look({ members: [member("a"), member("b"), lost], aliveNodeIds: ["b", "d"] });
    driver.look(seen);
    expect(driver.look(seen, 60 * MINUTE)).toBeUndefined();
  });

  it("is removed by the leader's node alone", () => {
    const driver = new Driver();
    const seen = look({
      members: [member("a"), member("b"), lost],
      leader: "b",
      aliveNodeIds: ["b", "d"],
    });
    expect(driver.watch(seen, 60 * MINUTE)).toBeUndefined();
  });

  it("stays when the others would be no majority without it", () => {
    const away = member("d", { isReachable: false });
    const members = [member("a"), lost, away, member("e"), member("f")];
    const driver = new Driver({ votersMax: 5 });
    expect(isSafeWithout({ clusterId: "c", leaderId: "id-a", members }, lost)).toBe(true);
    const worse = members.slice(0, 4);
    expect(isSafeWithout({ clusterId: "c", leaderId: "id-a", members: worse }, lost)).toBe(false);
    expect(driver.watch(look({ members: worse, aliveNodeIds: ["z"] }), 60 * MINUTE)).toBe(
      undefined,
    );
  });

  it("is said to be the majority when there is no leader", () => {
    const driver = new Driver();
    driver.watch(look({}), 10 * SECOND);
    expect(driver.machine.phase).toBe("starting");
    driver.watch(look({}), 10 * SECOND);
    expect(driver.machine.phase).toBe("no majority");
  });
});

describe("a node that the operator removed", () => {
  it("leaves the cluster at once, healthy or not, and by its own machine does nothing", () => {
    const removedNodeIds = new Set(["b"]);
    const members = [member("a"), member("b"), member("c")];
    const remove = { type: "remove", memberId: "id-b", reason: "node removed" };
    expect(new Driver().look(look({ members, removedNodeIds }))).toEqual(remove);
    // The leader itself is the removed one: the first of the others acts.
    expect(new Driver().look(look({ members, removedNodeIds, leader: "b" }))).toEqual(remove);
    // One that answers is not taken out while another is away: too few would be left.
    const away = [member("a"), member("b"), member("c", { isReachable: false })];
    expect(new Driver().look(look({ members: away, removedNodeIds }))).toBeUndefined();
    const driver = new Driver();
    const own = new Set(["a"]);
    expect(driver.watch(look({ members, removedNodeIds: own }), MINUTE)).toBeUndefined();
    expect(driver.machine.phase).toBe("removed");
    // Once it is out, its etcd is stopped.
    const without = look({ members: members.slice(1), leader: "b", removedNodeIds: own });
    expect(driver.watch(without, MINUTE)).toEqual({ type: "setAside" });
  });
});

describe("changes of the cluster", () => {
  it("have a pause between them", () => {
    const driver = new Driver();
    const members = [member("b"), member("c"), member("a", { isLearner: true })];
    expect(driver.look(look({ members, leader: "b" }))?.type).toBe("promoteSelf");
    expect(driver.look(look({ members, leader: "b" }))).toBeUndefined();
    driver.done();
    expect(driver.look(look({ members, leader: "b" }), SECOND)).toBeUndefined();
    expect(driver.look(look({ members, leader: "b" }), 5 * SECOND)?.type).toBe("promoteSelf");
  });
});
