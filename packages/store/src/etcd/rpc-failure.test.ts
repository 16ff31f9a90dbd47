import { describe, expect, it } from "vitest";
import { GRPC, judge, RpcFailure } from "./rpc-failure.js";

const verdict = (code: number, details: string, sent = true) => {
  const { kind, error, leave, login } = judge(new RpcFailure(code, details, sent));
  return [kind, error.code, leave, login];
};

describe("the meaning of a failed call", () => {
  it("is a refusal when the server says that it did nothing", () => {
    const cases = [
      [GRPC.outOfRange, "etcdserver: mvcc: required revision has been compacted", "COMPACTED"],
      [GRPC.resourceExhausted, "etcdserver: mvcc: database space exceeded", "NO_SPACE"],
      [GRPC.notFound, "etcdserver: requested lease not found", "LEASE_UNKNOWN"],
      [GRPC.invalidArgument, "etcdserver: request is too large", "TXN_TOO_LARGE"],
      [GRPC.resourceExhausted, "etcdserver: too many requests", "BUSY"],
      [GRPC.resourceExhausted, "grpc: received message larger than max (2 vs. 1)", "TXN_TOO_LARGE"],
    ] as const;
    for (const [code, details, name] of cases) {
      expect(verdict(code, details)).toEqual(["refused", `MESH_STORE_${name}`, false, false]);
    }
    expect(verdict(GRPC.permissionDenied, "etcdserver: permission denied")[1]).toBe(
      "MESH_FORBIDDEN",
    );
  });

  it("is that nothing happened only when that is certain", () => {
    const notDone = ["notDone", "MESH_STORE_UNAVAILABLE", true, false];
    expect(verdict(GRPC.unavailable, "etcdserver: no leader")).toEqual(notDone);
    expect(verdict(GRPC.unavailable, "etcdserver: rpc not supported for learner")).toEqual(notDone);
    expect(verdict(GRPC.unavailable, "No connection established. Last error: x")).toEqual(notDone);
    expect(verdict(GRPC.unavailable, "anything", false)).toEqual(notDone);
  });

  it("is unknown for whatever else there is", () => {
    const unknown = ["unknown", "MESH_STORE_UNAVAILABLE", true, false];
    for (const details of [
      "etcdserver: request timed out",
      "etcdserver: request timed out, possibly due to previous leader failure",
      "etcdserver: leader changed",
      "etcdserver: server stopped",
      "Connection dropped",
      "",
    ]) {
      expect(verdict(GRPC.unavailable, details), details).toEqual(unknown);
    }
    expect(verdict(GRPC.deadlineExceeded, "no answer in time")).toEqual(unknown);
    expect(verdict(GRPC.internal, "stream reset")).toEqual(unknown);
    expect(verdict(GRPC.resourceExhausted, "Received message larger than max")).toEqual(unknown);
  });

  it("asks for a new login when the token is of no use any more", () => {
    const login = ["notDone", "MESH_UNAUTHENTICATED", false, true];
    expect(verdict(GRPC.unauthenticated, "etcdserver: invalid auth token")).toEqual(login);
    const old = "etcdserver: revision in header is old";
    expect(verdict(GRPC.invalidArgument, old)).toEqual(login);
    const wrong = "etcdserver: authentication failed, invalid user ID or password";
    expect(verdict(GRPC.invalidArgument, wrong)).toEqual([
      "refused",
      "MESH_UNAUTHENTICATED",
      false,
      false,
    ]);
  });
});
