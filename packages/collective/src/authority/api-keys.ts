/**
 * API keys: for programs and for other meshes, which have no certificate of this member. A key says
 * what it may do (scopes), from where and until when; the store has the hash of its secret alone.
 * There is none until the operator makes one.
 */
import { limits, MeshError } from "@hearthmesh/core";
import { hashInviteSecret, inviteSecretMatches, type Principal } from "@hearthmesh/identity";
import type { Operation } from "@hearthmesh/store";
import { NetworkList, parseNetworks } from "./allow-list-networks.js";
import { type ApiKeyText, newApiKeyText, parseApiKey } from "./api-key-text.js";
import { ApiKeyLimiter } from "./api-keys-limiter.js";
import { API_KEY_PREFIX, API_KEY_USE_PREFIX } from "./authority-keys.js";
import type { AuthorityContext } from "./context.js";
import { put, unchanged } from "./ledger.js";
import type { Versioned } from "./records.js";

/**
 * - `admin`: everything that the operator may.
 * - `register`: introduce nodes (`POST /api/mesh/register`).
 * - `read`: lists of nodes, peers, routes and services, and the status of the mesh.
 * - `services`: use the services of the mesh (`/api/mesh/route/...`).
 * - `ai`: use the models (`/v1/...`), within the limits of the key.
 */
export type ApiKeyScope = "admin" | "register" | "read" | "services" | "ai";
export const API_KEY_SCOPES: readonly ApiKeyScope[] = [
  "admin",
  "register",
  "read",
  "services",
  "ai",
];

/** Life of a key that was made without a word about it. */
const API_KEY_VALIDITY_MS = 90 * 86_400_000;
/** The last use of a key is noted this often at most. */
const USE_NOTED_EVERY_MS = 60_000;
/** Wrong keys are told of in the log this often at most. */
const REFUSALS_LOGGED_EVERY_MS = 60_000;
/** Forgotten in one go at most, so that the transaction stays small. */
const FORGET_BATCH = 32;
const NAME_LENGTH_MAX = 64;

export interface ApiKeyRecord extends Versioned {
  readonly id: string;
  /** For people; empty when none was given. */
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  /** Hexadecimal SHA-256 of the secret. */
  readonly secretHash: string;
  /** Networks that it may be used from; empty for all. */
  readonly allowIps: readonly string[];
  /** What it may ask of the models; without it, what `/v1` gives to every key. */
  readonly ai?: ApiKeyAiLimits;
  readonly notAfterMs: number;
  readonly createdAtMs: number;
  /** SPIFFE id, or `key/<id>`. */
  readonly createdBy: string;
  readonly revokedAtMs?: number;
}

/** Whole numbers, at least 1; what is left out is as for every key. */
export interface ApiKeyAiLimits {
  readonly requestsAtOnce?: number;
  readonly requestsPerMinute?: number;
  /** Of prompts and answers together. */
  readonly tokensPerDay?: number;
}

interface KeyUseRecord extends Versioned {
  readonly lastUsedAtMs: number;
}

export interface ApiKeyRequest {
  readonly scopes: readonly ApiKeyScope[];
  readonly name?: string;
  /** Default `API_KEY_VALIDITY_MS`; at most `API_KEY_VALIDITY_MS_MAX`. */
  readonly validityMs?: number;
  readonly allowIps?: readonly string[];
  readonly ai?: ApiKeyAiLimits;
}

/** Who asks: the operator, or who holds an `admin` key. */
export interface Actor {
  readonly principal: Principal;
  readonly keyId?: string;
}

/** For the audit trail. */
export function actorText({ principal, keyId }: Actor): string {
  return keyId === undefined ? principal.spiffeId : `key/${keyId}`;
}

export class ApiKeys {
  readonly #context: AuthorityContext;
  readonly #limiter: ApiKeyLimiter;
  readonly #networks = new WeakMap<ApiKeyRecord, NetworkList>();
  readonly #usesNotedMs = new Map<string, number>();
  #refusals = 0;
  #refusalsLoggedMs = Number.NEGATIVE_INFINITY;

  constructor(context: AuthorityContext, limiter = new ApiKeyLimiter()) {
    this.#context = context;
    this.#limiter = limiter;
  }

  /** The text is in the answer and nowhere else. `MESH_BAD_REQUEST`, `MESH_LIMIT`. */
  async create(by: Actor, request: ApiKeyRequest): Promise<{ record: ApiKeyRecord; text: string }> {
    const { ledger, clock, random, log } = this.#context;
    const checked = checkRequest(request);
    const made = newApiKeyText(random);
    const key = API_KEY_PREFIX + made.id;
    const record = await ledger.change(async () => {
      const nowMs = clock.nowMs();
      const kept = this.list();
      checkRoom(kept, nowMs);
      const record = recordOf(made, checked, { nowMs, createdBy: actorText(by) });
      const { name, scopes, allowIps, notAfterMs } = record;
      const audit = { by: record.createdBy, action: "key.create" as const };
      return {
        result: record,
        change: {
          compare: [{ key, target: "version" as const, is: "=" as const, value: 0 }],
          operations: [put(key, record), ...forgetOver(kept, nowMs)],
          audit: {
            ...audit,
            subject: `key/${record.id}`,
            detail: { name, scopes, allowIps, notAfterMs },
          },
        },
      };
    });
    log.info("made an API key", { principal: record.createdBy, reason: record.scopes.join(",") });
    return { record, text: made.text };
  }

  /** All that are kept, newest first. */
  list(): ApiKeyRecord[] {
    return this.#context.records
      .all<ApiKeyRecord>(API_KEY_PREFIX)
      .sort((a, b) => b.createdAtMs - a.createdAtMs || (a.id < b.id ? -1 : 1));
  }

  /** Exact to a minute; undefined for a key that was never used. */
  lastUsedAtMs(id: string): number | undefined {
    const key = API_KEY_USE_PREFIX + id;
    return this.#context.records.get<KeyUseRecord>(API_KEY_USE_PREFIX, key)?.lastUsedAtMs;
  }

  /** By id, or by name when one key alone has it. `MESH_NOT_FOUND`, `MESH_BAD_REQUEST`. */
  async revoke(by: Actor, idOrName: string): Promise<ApiKeyRecord> {
    const { ledger, clock } = this.#context;
    const { id } = this.#find(idOrName);
    const key = API_KEY_PREFIX + id;
    return ledger.change(async () => {
      const read = await ledger.read<ApiKeyRecord>(key);
      if (read.record === undefined) throw unknownKey(idOrName);
      if (read.record.revokedAtMs !== undefined) return { result: read.record };
      const revoked: ApiKeyRecord = { ...read.record, revokedAtMs: clock.nowMs() };
      const audit = { by: actorText(by), action: "key.revoke" as const, subject: `key/${id}` };
      return {
        result: revoked,
        change: { compare: [unchanged(key, read)], operations: [put(key, revoked)], audit },
      };
    });
  }

  /**
   * The key of this text, used from this address now. `MESH_KEY_INVALID` for one that is unknown,
   * over or revoked, `MESH_ADDRESS_REFUSED` for another address, `MESH_LIMIT` after too many wrong
   * ones, which are then not looked at.
   */
  verify(text: string, address: string): ApiKeyRecord {
    const nowMs = this.#context.clock.monotonicMs();
    this.#limiter.admit(address, nowMs);
    try {
      const record = this.#check(parseApiKey(text), address);
      this.#noteUse(record.id, nowMs);
      return record;
    } catch (error) {
      this.#limiter.failed(address, nowMs);
      this.#noteRefusal(error, address, nowMs);
      throw error;
    }
  }

  /** Whether it could be used now, by what the key itself says. */
  isOpen(record: ApiKeyRecord): boolean {
    return isOpen(record, this.#context.clock.nowMs());
  }

  #check({ id, secret }: ApiKeyText, address: string): ApiKeyRecord {
    const { records, clock } = this.#context;
    const record = records.get<ApiKeyRecord>(API_KEY_PREFIX, API_KEY_PREFIX + id);
    // One message for a key that is not there and for a wrong secret of one that is.
    if (record === undefined || !inviteSecretMatches(secret, record.secretHash)) {
      throw new MeshError("MESH_KEY_INVALID");
    }
    if (record.revokedAtMs !== undefined) {
      throw new MeshError("MESH_KEY_INVALID", { message: "the API key was revoked" });
    }
    if (clock.nowMs() > record.notAfterMs) {
      const end = new Date(record.notAfterMs).toISOString();
      throw new MeshError("MESH_KEY_INVALID", {
        message: `the API key has expired on ${end}`,
        hint: "Make a new one: `mesh key create`.",
      });
    }
    if (!this.#networksOf(record).allows(address)) {
      throw new MeshError("MESH_ADDRESS_REFUSED", {
        message: `this API key may not be used from ${address.slice(0, 64)}`,
      });
    }
    return record;
  }

  #networksOf(record: ApiKeyRecord): NetworkList {
    const known = this.#networks.get(record);
    if (known !== undefined) return known;
    const made = new NetworkList(record.allowIps);
    this.#networks.set(record, made);
    return made;
  }

  #find(idOrName: string): ApiKeyRecord {
    const wanted = idOrName.trim();
    // Somebody may paste the whole key: its id is what is meant.
    const id = wanted.startsWith("hmk1-") ? (wanted.split("-")[1] ?? "") : wanted;
    const kept = this.list();
    const exact = kept.find((record) => record.id === id);
    if (exact !== undefined) return exact;
    const named = kept.filter((record) => record.name === wanted && record.name !== "");
    const open = named.filter((record) => this.isOpen(record));
    const [found, ...others] = open.length > 0 ? open : named;
    if (found === undefined) throw unknownKey(id);
    if (others.length === 0) return found;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${others.length + 1} keys have this name`,
      hint: "Use the id: `mesh key list` shows it.",
    });
  }

  #noteUse(id: string, monotonicMs: number): void {
    const { store, clock, log, records } = this.#context;
    const before = this.#usesNotedMs.get(id);
    if (before !== undefined && monotonicMs - before < USE_NOTED_EVERY_MS) return;
    // Keys that are gone leave their entry behind: without the notes each is only written again.
    if (this.#usesNotedMs.size >= limits.API_KEYS_MAX) this.#usesNotedMs.clear();
    this.#usesNotedMs.set(id, monotonicMs);
    const used: KeyUseRecord = { v: 1, lastUsedAtMs: clock.nowMs() };
    const success = [put(API_KEY_USE_PREFIX + id, used)];
    store.transact({ success }).then(
      ({ revision }) => records.applyOperations(success, revision),
      () => log.debug("the use of an API key was not noted"),
    );
  }

  #noteRefusal(error: unknown, peerAddress: string, monotonicMs: number): void {
    this.#refusals++;
    if (monotonicMs - this.#refusalsLoggedMs < REFUSALS_LOGGED_EVERY_MS) return;
    const { code, message } = error as MeshError;
    const count = this.#refusals;
    this.#context.log.warn("API keys were refused; this is the last of them", {
      count,
      peerAddress,
      code,
      reason: message,
    });
    this.#refusals = 0;
    this.#refusalsLoggedMs = monotonicMs;
  }
}

function isOpen(record: ApiKeyRecord, nowMs: number): boolean {
  return record.revokedAtMs === undefined && nowMs <= record.notAfterMs;
}

type CheckedRequest = Required<Omit<ApiKeyRequest, "ai">> & Pick<ApiKeyRequest, "ai">;

function checkRequest(request: ApiKeyRequest): CheckedRequest {
  const { validityMs = API_KEY_VALIDITY_MS, name = "" } = request;
  const scopes = API_KEY_SCOPES.filter((scope) => request.scopes.includes(scope));
  const unknown = request.scopes.find((scope) => !API_KEY_SCOPES.includes(scope));
  if (scopes.length === 0 || unknown !== undefined) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message:
        unknown === undefined
          ? "an API key needs a scope"
          : `${JSON.stringify(String(unknown).slice(0, 40))} is not a scope`,
      hint: `There are: ${API_KEY_SCOPES.join(", ")}.`,
    });
  }
  if (!(validityMs >= 1_000 && validityMs <= limits.API_KEY_VALIDITY_MS_MAX)) {
    const days = limits.API_KEY_VALIDITY_MS_MAX / 86_400_000;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `an API key is valid for 1 second to ${days} days`,
    });
  }
  if (!/^[\p{L}\p{N}][\p{L}\p{N} ._@-]*$|^$/u.test(name) || name.length > NAME_LENGTH_MAX) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `the name of a key has up to ${NAME_LENGTH_MAX} letters, digits, spaces or . _ @ -`,
    });
  }
  const allowIps = parseNetworks(request.allowIps ?? []);
  return { scopes, name, validityMs, allowIps, ...aiLimits(request.ai, scopes) };
}

function aiLimits(
  ai: ApiKeyAiLimits | undefined,
  scopes: readonly ApiKeyScope[],
): Pick<ApiKeyRequest, "ai"> {
  if (ai === undefined || Object.keys(ai).length === 0) return {};
  if (!scopes.includes("ai") && !scopes.includes("admin")) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: "limits for the models are for a key with the scope ai",
    });
  }
  for (const [name, value] of Object.entries(ai)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${name} is a whole number from 1 on`,
    });
  }
  return { ai };
}

function recordOf(
  made: ApiKeyText,
  checked: CheckedRequest,
  at: { nowMs: number; createdBy: string },
): ApiKeyRecord {
  const { validityMs, ...rest } = checked;
  return {
    v: 1,
    id: made.id,
    ...rest,
    secretHash: hashInviteSecret(made.secret),
    notAfterMs: at.nowMs + validityMs,
    createdAtMs: at.nowMs,
    createdBy: at.createdBy,
  };
}

function checkRoom(kept: readonly ApiKeyRecord[], nowMs: number): void {
  if (kept.filter((record) => isOpen(record, nowMs)).length < limits.API_KEYS_MAX) return;
  throw new MeshError("MESH_LIMIT", {
    message: `there are ${limits.API_KEYS_MAX} API keys`,
    hint: "Revoke those that nobody needs: `mesh key list`.",
  });
}

/** The oldest keys that are over, when there are too many to keep. */
function forgetOver(kept: readonly ApiKeyRecord[], nowMs: number): Operation[] {
  const excess = Math.min(FORGET_BATCH, kept.length + 1 - limits.API_KEYS_MAX);
  if (excess <= 0) return [];
  return kept
    .filter((record) => !isOpen(record, nowMs))
    .slice(-excess)
    .flatMap(({ id }) => [
      { type: "delete" as const, key: API_KEY_PREFIX + id },
      { type: "delete" as const, key: API_KEY_USE_PREFIX + id },
    ]);
}

function unknownKey(id: string): MeshError {
  return new MeshError("MESH_NOT_FOUND", {
    message: `there is no API key ${JSON.stringify(id.slice(0, 40))}`,
    hint: "`mesh key list` shows the keys.",
  });
}
