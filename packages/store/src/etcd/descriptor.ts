/**
 * The part of etcd's v3 API that is used here, as a descriptor for `@grpc/proto-loader`. The field
 * numbers are those of the published API (etcd 3.4, packages etcdserverpb and mvccpb); fields that
 * nobody here reads are left out, and a decoder skips them.
 *
 * Two descriptors, because 64-bit numbers are read in two ways: revisions and our lease ids fit a
 * JavaScript number, member and cluster ids do not and are read as decimal texts.
 */

/** Number and type of a field; a type that ends in `[]` is repeated. */
type FieldTable = Record<string, readonly [id: number, type: string]>;

interface FieldJson {
  id: number;
  type: string;
  rule?: "repeated";
}
interface MessageJson {
  fields: Record<string, FieldJson>;
  oneofs?: Record<string, { oneof: string[] }>;
}
interface MethodJson {
  requestType: string;
  responseType: string;
  requestStream?: boolean;
  responseStream?: boolean;
}
interface ServiceJson {
  methods: Record<string, MethodJson>;
}

/** As protobufjs reads it: one package, `etcdserverpb`. */
export interface DescriptorJson {
  nested: { etcdserverpb: { nested: Record<string, MessageJson | ServiceJson> } };
}

function message(table: FieldTable, oneof?: readonly string[]): MessageJson {
  const fields: Record<string, FieldJson> = {};
  for (const [name, [id, type]] of Object.entries(table)) {
    fields[name] = type.endsWith("[]")
      ? { id, type: type.slice(0, -2), rule: "repeated" }
      : { id, type };
  }
  return oneof === undefined ? { fields } : { fields, oneofs: { one: { oneof: [...oneof] } } };
}

function service(methods: Record<string, readonly [request: string, response: string]>) {
  const table: Record<string, MethodJson> = {};
  for (const [name, [requestType, responseType]] of Object.entries(methods)) {
    table[name] = { requestType, responseType };
  }
  return { methods: table };
}

const HEADER = [1, "ResponseHeader"] as const;
const onlyHeader = () => message({ header: HEADER });
const empty = () => message({});

/** Keys, watches, leases and passwords. Enumerations are plain numbers; see `messages.ts`. */
export function keyDescriptor(): DescriptorJson {
  const nested = {
    ResponseHeader: message({ revision: [3, "int64"] }),
    ...keyValueMessages(),
    ...watchMessages(),
    ...leaseMessages(),
    AuthenticateRequest: message({ name: [1, "string"], password: [2, "string"] }),
    AuthenticateResponse: message({ token: [2, "string"] }),
    KV: service({
      Range: ["RangeRequest", "RangeResponse"],
      Put: ["PutRequest", "PutResponse"],
      DeleteRange: ["DeleteRangeRequest", "DeleteRangeResponse"],
      Txn: ["TxnRequest", "TxnResponse"],
      Compact: ["CompactionRequest", "CompactionResponse"],
    }),
    Watch: service({ Watch: ["WatchRequest", "WatchResponse"] }),
    Lease: service({
      LeaseGrant: ["LeaseGrantRequest", "LeaseGrantResponse"],
      LeaseRevoke: ["LeaseRevokeRequest", "LeaseRevokeResponse"],
      LeaseKeepAlive: ["LeaseKeepAliveRequest", "LeaseKeepAliveResponse"],
      LeaseTimeToLive: ["LeaseTimeToLiveRequest", "LeaseTimeToLiveResponse"],
      LeaseLeases: ["LeaseLeasesRequest", "LeaseLeasesResponse"],
    }),
    Auth: service({ Authenticate: ["AuthenticateRequest", "AuthenticateResponse"] }),
  };
  return { nested: { etcdserverpb: { nested } } };
}

function keyValueMessages(): Record<string, MessageJson> {
  return {
    KeyValue: message({
      key: [1, "bytes"],
      createRevision: [2, "int64"],
      modRevision: [3, "int64"],
      version: [4, "int64"],
      value: [5, "bytes"],
      lease: [6, "int64"],
    }),
    RangeRequest: message({
      key: [1, "bytes"],
      rangeEnd: [2, "bytes"],
      limit: [3, "int64"],
      revision: [4, "int64"],
      sortOrder: [5, "int32"],
      serializable: [7, "bool"],
      keysOnly: [8, "bool"],
      countOnly: [9, "bool"],
    }),
    RangeResponse: message({
      header: HEADER,
      kvs: [2, "KeyValue[]"],
      more: [3, "bool"],
      count: [4, "int64"],
    }),
    PutRequest: message({ key: [1, "bytes"], value: [2, "bytes"], lease: [3, "int64"] }),
    PutResponse: onlyHeader(),
    DeleteRangeRequest: message({ key: [1, "bytes"], rangeEnd: [2, "bytes"] }),
    DeleteRangeResponse: message({ header: HEADER, deleted: [2, "int64"] }),
    RequestOp: message(
      {
        range: [1, "RangeRequest"],
        put: [2, "PutRequest"],
        deleteRange: [3, "DeleteRangeRequest"],
        txn: [4, "TxnRequest"],
      },
      ["range", "put", "deleteRange", "txn"],
    ),
    ResponseOp: message(
      {
        range: [1, "RangeResponse"],
        put: [2, "PutResponse"],
        deleteRange: [3, "DeleteRangeResponse"],
        txn: [4, "TxnResponse"],
      },
      ["range", "put", "deleteRange", "txn"],
    ),
    Compare: message(
      {
        result: [1, "int32"],
        target: [2, "int32"],
        key: [3, "bytes"],
        version: [4, "int64"],
        createRevision: [5, "int64"],
        modRevision: [6, "int64"],
        value: [7, "bytes"],
      },
      ["version", "createRevision", "modRevision", "value"],
    ),
    TxnRequest: message({
      compare: [1, "Compare[]"],
      success: [2, "RequestOp[]"],
      failure: [3, "RequestOp[]"],
    }),
    TxnResponse: message({
      header: HEADER,
      succeeded: [2, "bool"],
      responses: [3, "ResponseOp[]"],
    }),
    CompactionRequest: message({ revision: [1, "int64"], physical: [2, "bool"] }),
    CompactionResponse: onlyHeader(),
  };
}

function watchMessages(): Record<string, MessageJson> {
  return {
    WatchCreateRequest: message({
      key: [1, "bytes"],
      rangeEnd: [2, "bytes"],
      startRevision: [3, "int64"],
      progressNotify: [4, "bool"],
      prevKv: [6, "bool"],
      fragment: [8, "bool"],
    }),
    WatchRequest: message({ create: [1, "WatchCreateRequest"] }),
    Event: message({ type: [1, "int32"], kv: [2, "KeyValue"], prevKv: [3, "KeyValue"] }),
    WatchResponse: message({
      header: HEADER,
      created: [3, "bool"],
      canceled: [4, "bool"],
      compactRevision: [5, "int64"],
      cancelReason: [6, "string"],
      fragment: [7, "bool"],
      events: [11, "Event[]"],
    }),
  };
}

function leaseMessages(): Record<string, MessageJson> {
  return {
    LeaseGrantRequest: message({ ttlSeconds: [1, "int64"], id: [2, "int64"] }),
    LeaseGrantResponse: message({ header: HEADER, id: [2, "int64"], ttlSeconds: [3, "int64"] }),
    LeaseRevokeRequest: message({ id: [1, "int64"] }),
    LeaseRevokeResponse: onlyHeader(),
    LeaseKeepAliveRequest: message({ id: [1, "int64"] }),
    LeaseKeepAliveResponse: message({ header: HEADER, ttlSeconds: [3, "int64"] }),
    LeaseTimeToLiveRequest: message({ id: [1, "int64"], keys: [2, "bool"] }),
    LeaseTimeToLiveResponse: message({
      header: HEADER,
      ttlSeconds: [3, "int64"],
      grantedSeconds: [4, "int64"],
      keys: [5, "bytes[]"],
    }),
    LeaseLeasesRequest: empty(),
    LeaseStatus: message({ id: [1, "int64"] }),
    LeaseLeasesResponse: message({ header: HEADER, leases: [2, "LeaseStatus[]"] }),
  };
}

/** Members of the cluster, and what its operator does. */
export function clusterDescriptor(): DescriptorJson {
  const nested = {
    ResponseHeader: message({
      clusterId: [1, "uint64"],
      memberId: [2, "uint64"],
      revision: [3, "int64"],
      raftTerm: [4, "uint64"],
    }),
    ...memberMessages(),
    ...maintenanceMessages(),
    CompactionRequest: message({ revision: [1, "int64"], physical: [2, "bool"] }),
    CompactionResponse: onlyHeader(),
    KV: service({ Compact: ["CompactionRequest", "CompactionResponse"] }),
    Cluster: service({
      MemberAdd: ["MemberAddRequest", "MemberAddResponse"],
      MemberRemove: ["MemberIdRequest", "MembersResponse"],
      MemberUpdate: ["MemberUpdateRequest", "MembersResponse"],
      MemberList: ["MemberListRequest", "MembersResponse"],
      MemberPromote: ["MemberIdRequest", "MembersResponse"],
    }),
    Maintenance: service({
      Alarm: ["AlarmRequest", "AlarmResponse"],
      Status: ["StatusRequest", "StatusResponse"],
      Defragment: ["DefragmentRequest", "DefragmentResponse"],
      Snapshot: ["SnapshotRequest", "SnapshotResponse"],
      MoveLeader: ["MoveLeaderRequest", "MoveLeaderResponse"],
    }),
  };
  return { nested: { etcdserverpb: { nested } } };
}

function memberMessages(): Record<string, MessageJson> {
  return {
    Member: message({
      id: [1, "uint64"],
      name: [2, "string"],
      peerUrls: [3, "string[]"],
      clientUrls: [4, "string[]"],
      isLearner: [5, "bool"],
    }),
    MemberAddRequest: message({ peerUrls: [1, "string[]"], isLearner: [2, "bool"] }),
    MemberAddResponse: message({
      header: HEADER,
      member: [2, "Member"],
      members: [3, "Member[]"],
    }),
    MemberIdRequest: message({ id: [1, "uint64"] }),
    MemberUpdateRequest: message({ id: [1, "uint64"], peerUrls: [2, "string[]"] }),
    MemberListRequest: empty(),
    MembersResponse: message({ header: HEADER, members: [2, "Member[]"] }),
  };
}

function maintenanceMessages(): Record<string, MessageJson> {
  return {
    AlarmRequest: message({ action: [1, "int32"], memberId: [2, "uint64"], alarm: [3, "int32"] }),
    AlarmMember: message({ memberId: [1, "uint64"], alarm: [2, "int32"] }),
    AlarmResponse: message({ header: HEADER, alarms: [2, "AlarmMember[]"] }),
    StatusRequest: empty(),
    StatusResponse: message({
      header: HEADER,
      version: [2, "string"],
      dbSize: [3, "int64"],
      leader: [4, "uint64"],
      raftIndex: [5, "uint64"],
      raftAppliedIndex: [7, "uint64"],
      errors: [8, "string[]"],
      dbSizeInUse: [9, "int64"],
      isLearner: [10, "bool"],
    }),
    DefragmentRequest: empty(),
    DefragmentResponse: onlyHeader(),
    SnapshotRequest: empty(),
    SnapshotResponse: message({
      header: HEADER,
      remainingBytes: [2, "uint64"],
      blob: [3, "bytes"],
    }),
    MoveLeaderRequest: message({ targetId: [1, "uint64"] }),
    MoveLeaderResponse: onlyHeader(),
  };
}
