/** The messages of `descriptor.ts` as types: what is sent, and what answers are decoded to. */

export const SORT_DESCENDING = 2;
export const EVENT_DELETE = 1;
export const COMPARE_RESULT = { "=": 0, ">": 1, "<": 2, "!=": 3 } as const;
export const COMPARE_TARGET = { version: 0, createRevision: 1, modRevision: 2, value: 3 } as const;
export const ALARM_ACTION = { get: 0, activate: 1, deactivate: 2 } as const;
export const ALARM_TYPES = ["none", "noSpace", "corrupt"] as const;

interface Header {
  /** Of the whole cluster when the answer was made. */
  revision: number;
}
export interface WithHeader {
  header: Header | null;
}

export interface WireKeyValue {
  key: Buffer;
  createRevision: number;
  modRevision: number;
  version: number;
  value: Buffer;
  lease: number;
}

export interface RangeRequest {
  key: Uint8Array;
  rangeEnd?: Uint8Array;
  limit?: number;
  revision?: number;
  sortOrder?: number;
  serializable?: boolean;
  keysOnly?: boolean;
  countOnly?: boolean;
}
export interface RangeResponse extends WithHeader {
  kvs: WireKeyValue[];
  more: boolean;
  count: number;
}
export interface PutRequest {
  key: Uint8Array;
  value: Uint8Array;
  lease?: number;
}
export interface DeleteRangeRequest {
  key: Uint8Array;
  rangeEnd?: Uint8Array;
}
export interface DeleteRangeResponse extends WithHeader {
  deleted: number;
}
export interface RequestOp {
  range?: RangeRequest;
  put?: PutRequest;
  deleteRange?: DeleteRangeRequest;
  txn?: TxnRequest;
}
export interface ResponseOp {
  range?: RangeResponse;
  put?: WithHeader;
  deleteRange?: DeleteRangeResponse;
  txn?: TxnResponse;
}
export interface WireCompare {
  result: number;
  target: number;
  key: Uint8Array;
  version?: number;
  createRevision?: number;
  modRevision?: number;
  value?: Uint8Array;
}
export interface TxnRequest {
  compare: readonly WireCompare[];
  success: readonly RequestOp[];
  failure: readonly RequestOp[];
}
export interface TxnResponse extends WithHeader {
  succeeded: boolean;
  responses: ResponseOp[];
}
export interface CompactionRequest {
  revision: number;
  physical?: boolean;
}

export interface WatchRequest {
  create: {
    key: Uint8Array;
    rangeEnd?: Uint8Array;
    startRevision: number;
    progressNotify: boolean;
    prevKv: boolean;
    fragment: boolean;
  };
}
export interface WireEvent {
  type: number;
  kv: WireKeyValue | null;
  prevKv: WireKeyValue | null;
}
export interface WatchResponse extends WithHeader {
  created: boolean;
  canceled: boolean;
  compactRevision: number;
  cancelReason: string;
  fragment: boolean;
  events: WireEvent[];
}

export interface LeaseGrantRequest {
  ttlSeconds: number;
  id: number;
}
export interface LeaseGrantResponse extends WithHeader {
  id: number;
  ttlSeconds: number;
}
export interface LeaseIdRequest {
  id: number;
}
export interface LeaseKeepAliveResponse extends WithHeader {
  /** 0 when the lease has ended. */
  ttlSeconds: number;
}
export interface LeaseTimeToLiveResponse extends WithHeader {
  /** -1 when the lease has ended. */
  ttlSeconds: number;
  /** What it starts with at each renewal. */
  grantedSeconds: number;
  keys: Buffer[];
}
export interface LeaseLeasesResponse extends WithHeader {
  leases: { id: number }[];
}

/** 64-bit numbers as decimal texts, here and below. */
interface ClusterHeader {
  clusterId: string;
  memberId: string;
  revision: string;
}
export interface WireMember {
  id: string;
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}
export interface MembersResponse {
  header: ClusterHeader | null;
  members: WireMember[];
}
export interface MemberAddResponse extends MembersResponse {
  member: WireMember | null;
}
export interface StatusResponse {
  header: ClusterHeader | null;
  version: string;
  dbSize: string;
  leader: string;
  raftIndex: string;
  raftAppliedIndex: string;
  errors: string[];
  dbSizeInUse: string;
  isLearner: boolean;
}
export interface AlarmResponse {
  header: ClusterHeader | null;
  alarms: { memberId: string; alarm: number }[];
}
export interface SnapshotResponse {
  remainingBytes: string;
  blob: Buffer;
}
