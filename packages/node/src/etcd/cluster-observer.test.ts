import type { EtcdEndpointStatus, EtcdMember } from "@hearthmesh/store";
import { describe, expect, it } from "vitest";
import { ClusterObserver, memberName, parseMemberName } from "./cluster-observer.js";
import { clientEndpoints, supervisorStatus, whyUnusable } from "./supervisor-status.js";

function status(memberId: string, changes: Partial<EtcdEndpointStatus> = {}): EtcdEndpointStatus {
  return {
    endpoint: `https://${memberId}:1`,
    clusterId: "c",
    memberId,
    leaderId: "a",
    version: "3.4.23",
    dbSizeBytes: 1,
    dbSizeInUseBytes: 1,
    raftIndex: 1,
    raftAppliedIndex: 1,
    revision: 5,
    isLearner: false,
    errors: [],
    ...changes,
  };
}
function member(id: string, changes: Partial<EtcdMember> = {}): EtcdMember {
  return {
    id,
    name: memberName(`node-${id}`, `${id}${id}`),
    peerUrls: [`https://${id}:2`],
    clientUrls: [`https://${id}:1`],
    isLearner: false,
    ...changes,
  };
}

function observer(answers: readonly EtcdEndpointStatus[], members: readonly EtcdMember[]) {
  const asked: string[][] = [];
  const admin = {
    statusOf: async (endpoint: string) => {
      const answer = answers.find((one) => one.endpoint === endpoint);
      if (answer === undefined) throw new Error("nobody there");
      return answer;
    },
    memberList: async () => members,
    setEndpoints: (endpoints: readonly string[]) => void asked.push([...endpoints]),
  };
  const all = [...answers.map(({ endpoint }) => endpoint), "https://gone:1"];
  const look = (own = {}, addresses = all) => new ClusterObserver(admin).look(addresses, own);
  return { asked, look };
}

describe("a look at the cluster", () => {
  it("asks the leader who the members are, and tells who of them answers", async () => {
    const members = [member("a"), member("b"), member("c")];
    const { look, asked } = observer([status("b"), status("a")], members);
    const { cluster } = await look();
    expect(asked).toEqual([["https://a:1"]]);
    expect(cluster?.leaderId).toBe("a");
    expect(cluster?.members.map(({ isReachable }) => isReachable)).toEqual([true, true, false]);
    expect(cluster?.members.map(({ nodeId }) => nodeId)).toEqual(["aa", "bb", "cc"]);
  });

  it("asks one that is listed for the first time before it calls it silent", async () => {
    const answers = [status("a"), status("b"), status("x", { clusterId: "other" })];
    const listed = [member("a"), member("b"), member("x"), member("c")];
    const { cluster, statuses, isForeign } = await observer(answers, listed).look({}, [
      "https://a:1",
    ]);
    expect(statuses.map(({ memberId }) => memberId)).toEqual(["a", "b"]);
    expect(cluster?.members.map(({ isReachable }) => isReachable)).toEqual([
      ...[true, true, false, false],
    ]);
    expect(isForeign).toBe(false);
  });

  it("sees no cluster where nobody knows a leader", async () => {
    const { look } = observer([status("a", { leaderId: undefined })], [member("a")]);
    expect(await look()).toMatchObject({ cluster: undefined, members: [], isForeign: false });
  });

  it("keeps two clusters apart, by its data, and what its own etcd says counts more", async () => {
    const other = status("x", { clusterId: "other", leaderId: "x" });
    const { look } = observer([status("a"), other], [member("a")]);
    expect(await look({ clusterId: "c" })).toMatchObject({
      isForeign: true,
      cluster: { clusterId: "c" },
    });
    const own = { clusterId: "other", endpoint: "https://a:1" };
    expect((await look(own)).cluster?.clusterId).toBe("c");
    expect(await look()).toMatchObject({ isForeign: true, cluster: undefined, statuses: [] });
  });

  it("reads names of members, whatever is in them", () => {
    expect(parseMemberName("node-1.abc")).toEqual({ nodeName: "node-1", nodeId: "abc" });
    for (const name of ["", "default", ".x", "x."]) expect(parseMemberName(name)).toBeUndefined();
  });
});

describe("what clients are told", () => {
  it("is this machine's own etcd first, and never one that learns or has no leader", async () => {
    const members = [member("a"), member("b"), member("c", { isLearner: true }), member("d")];
    const statuses = [
      status("b"),
      status("a"),
      status("c", { isLearner: true }),
      status("d", { leaderId: undefined }),
    ];
    const seen = await observer(statuses, members).look();
    expect(clientEndpoints(seen, "https://a:1")).toEqual(["https://a:1", "https://b:1"]);
    expect(clientEndpoints(seen, "https://c:1")).toEqual(["https://a:1", "https://b:1"]);
  });

  it("is in words why the store cannot be used", async () => {
    const seen = await observer([], []).look();
    const store = { quotaBytes: 1, votersMax: 3 };
    const process = { complaints: ["bind: in use"], crashes: 0, running: true };
    const input = { version: "3.4.23", process, seen, endpoints: [], store };
    const starting = supervisorStatus({ ...input, phase: "starting" });
    expect(whyUnusable(starting, false)).toBeUndefined();
    expect(whyUnusable(starting, true)).toMatchObject({ code: "MESH_STORE_UNAVAILABLE" });
    expect(whyUnusable({ ...starting, crashes: 3 }, false)).toMatchObject({
      code: "MESH_ETCD_FAILED",
      message: expect.stringContaining("bind: in use"),
    });
    const foreign = supervisorStatus({ ...input, phase: "foreign" });
    expect(whyUnusable(foreign, false)?.message).toContain("mesh store restore --rejoin");
  });
});
