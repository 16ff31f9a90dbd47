/**
 * What a person keeps on disk, under MESH_HOME:
 *
 *     identity/identity.json            name, key id, the collective that commands use
 *     identity/key.pem                  the private key, mode 0600; it never leaves the machine
 *     collectives/<name>/               one folder for each collective that was joined
 *         collective.json               member, coordinator's addresses, grants as given
 *         certificate.pem  ca.pem       this identity's certificate there, and the member's CA
 *         coordinators.json             all coordinators, as one of them told; may be missing
 *     replaced/<time>/                  what `--force` put aside
 */
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { type GlobalId, MeshError, type NodeId, parseGlobalId } from "@hearthmesh/core";
import {
  caPinOf,
  generateKeyPair,
  type KeyPairPem,
  nodeIdOfPublicKey,
  publicKeyDerOf,
} from "@hearthmesh/identity";
import { type CollectiveRecord, collectiveNames, recordOf } from "./collective-record.js";
import { type KnownCoordinators, parseKnownCoordinators } from "./coordinator-finder.js";
import type { Enrolment } from "./enrol.js";
import { listIfThere, readIfThere, readPrivate, writePrivate } from "./private-files.js";
import type { RenewedCertificate } from "./renew.js";

export interface IdentityRecord {
  readonly v: 1;
  readonly globalId: GlobalId;
  readonly displayName?: string;
  /** Hash of the public key. */
  readonly nodeId: NodeId;
  readonly createdAtMs: number;
  /** Folder name of the collective in use. */
  readonly current?: string;
}

/** A collective with what is needed to speak there. */
export interface JoinedCollective {
  readonly record: CollectiveRecord;
  readonly certificatePem: string;
  readonly caCertificatePem: string;
}

export class IdentityHome {
  readonly #home: string;

  constructor(home: string) {
    this.#home = home;
  }

  get path(): string {
    return this.#home;
  }

  async identity(): Promise<IdentityRecord | undefined> {
    const path = this.#path("identity", "identity.json");
    const text = await readIfThere(path);
    return text === undefined ? undefined : parseRecord<IdentityRecord>(text, path);
  }

  /** `MESH_NOT_FOUND` when there is none. */
  async requireIdentity(): Promise<IdentityRecord> {
    const identity = await this.identity();
    if (identity !== undefined) return identity;
    throw new MeshError("MESH_NOT_FOUND", {
      message: `there is no identity in ${this.#home}`,
      hint: "Make one: mesh identity init --global-id you@your.domain",
    });
  }

  /**
   * Makes a key and an identity. `MESH_NAME_TAKEN` when there is one, unless `replace` is set: then
   * the old one and its collectives are put aside, not deleted.
   */
  async create(options: {
    globalId: string;
    displayName?: string;
    replace?: boolean;
    nowMs: number;
  }): Promise<IdentityRecord> {
    const globalId = parseGlobalId(options.globalId);
    const present = await this.identity();
    if (present !== undefined && options.replace !== true) {
      throw new MeshError("MESH_NAME_TAKEN", {
        message: `this home already has the identity ${present.globalId}`,
        hint: "Use it, choose another MESH_HOME, or replace it with --force.",
      });
    }
    if (present !== undefined) await this.#putAside(options.nowMs);
    const keyPair = generateKeyPair();
    const identity: IdentityRecord = {
      v: 1,
      globalId,
      ...(options.displayName === undefined ? {} : { displayName: options.displayName }),
      nodeId: keyPair.nodeId,
      createdAtMs: options.nowMs,
    };
    await writePrivate(this.#path("identity", "key.pem"), keyPair.privateKeyPem);
    await this.#writeIdentity(identity);
    return identity;
  }

  /** `MESH_HOME_UNSAFE` when other users can read the key. */
  async keyPair(): Promise<KeyPairPem> {
    const identity = await this.requireIdentity();
    const privateKeyPem = await readPrivate(this.#path("identity", "key.pem"));
    const { publicKeyPem, nodeId } = publicHalf(privateKeyPem);
    if (nodeId !== identity.nodeId) {
      throw new MeshError("MESH_CERT_INVALID", {
        message: `${this.#path("identity", "key.pem")} is not the key of ${identity.globalId}`,
        hint: "Restore both files of the folder identity from one backup.",
      });
    }
    return { privateKeyPem, publicKeyPem, nodeId };
  }

  /** All collectives, by name. */
  async collectives(): Promise<CollectiveRecord[]> {
    const names = await listIfThere(this.#path("collectives"));
    const records = await Promise.all(names.map((name) => this.#readRecord(name)));
    return records.filter((record) => record !== undefined);
  }

  /**
   * The collective with that name (see `collectiveNames`), or the current one.
   * `MESH_UNAUTHENTICATED` when none was joined, `MESH_NOT_FOUND` for an unknown name.
   */
  async collective(name?: string): Promise<JoinedCollective> {
    const record = name === undefined ? await this.#current() : await this.#find(name);
    const folder = this.#path("collectives", record.name);
    const [certificatePem, caCertificatePem] = await Promise.all([
      readIfThere(join(folder, "certificate.pem")),
      readIfThere(join(folder, "ca.pem")),
    ]);
    if (certificatePem === undefined || caCertificatePem === undefined) {
      throw new MeshError("MESH_CERT_INVALID", {
        message: `the certificates in ${folder} are missing`,
        hint: "Restore them from a backup, or ask for a new invite.",
      });
    }
    return { record, certificatePem, caCertificatePem };
  }

  /** Makes this collective the current one. */
  async switchTo(name: string): Promise<CollectiveRecord> {
    const record = await this.#find(name);
    await this.#writeIdentity({ ...(await this.requireIdentity()), current: record.name });
    return record;
  }

  /**
   * Keeps what an invite brought and makes it the current collective. A second invite of the same
   * member replaces the first one's folder; another member of the same name gets a number.
   */
  async saveEnrolment(enrolment: Enrolment, nowMs: number): Promise<CollectiveRecord> {
    const caPin = caPinOf(enrolment.caCertificatePem);
    const known = await this.collectives();
    const same = known.find((record) => record.caPin === caPin);
    const taken = new Set(known.map((record) => record.name));
    const name = same?.name ?? freeName(enrolment.memberId, taken);
    const record = recordOf(name, caPin, enrolment, nowMs);
    const folder = this.#path("collectives", name);
    await writePrivate(join(folder, "ca.pem"), enrolment.caCertificatePem);
    await writePrivate(join(folder, "certificate.pem"), enrolment.certificatePem);
    await writePrivate(join(folder, "collective.json"), toJson(record));
    await this.#writeIdentity({ ...(await this.requireIdentity()), current: name });
    return record;
  }

  async saveCertificate(name: string, renewed: RenewedCertificate): Promise<void> {
    const record = await this.#find(name);
    const folder = this.#path("collectives", record.name);
    const { certificateNotAfterMs } = renewed;
    await writePrivate(join(folder, "certificate.pem"), renewed.certificatePem);
    await writePrivate(
      join(folder, "collective.json"),
      toJson({ ...record, certificateNotAfterMs }),
    );
  }

  /** A file of its own, because every program that uses this home writes it now and then. */
  async saveCoordinators(name: string, known: KnownCoordinators): Promise<void> {
    await writePrivate(this.#path("collectives", name, "coordinators.json"), toJson(known));
  }

  async coordinators(name: string): Promise<KnownCoordinators | undefined> {
    const text = await readIfThere(this.#path("collectives", name, "coordinators.json"));
    return text === undefined ? undefined : parseKnownCoordinators(text);
  }

  async #current(): Promise<CollectiveRecord> {
    const identity = await this.identity();
    const collectives = await this.collectives();
    const record = collectives.find((one) => one.name === identity?.current) ?? collectives[0];
    if (record !== undefined) return record;
    throw new MeshError("MESH_UNAUTHENTICATED", {
      message: "no collective was joined from here, and no node runs here",
      hint: "Redeem an invite (mesh invite redeem CODE), or start a node (mesh up).",
    });
  }

  async #find(name: string): Promise<CollectiveRecord> {
    const collectives = await this.collectives();
    const exact = collectives.find((record) => record.name === name);
    const alias = collectives.find((record) => collectiveNames(record).includes(name));
    const found = exact ?? alias;
    if (found !== undefined) return found;
    const list = collectives.map((record) => record.name).join(", ");
    throw new MeshError("MESH_NOT_FOUND", {
      message: `no collective named ${JSON.stringify(name)} was joined`,
      hint: list === "" ? "Redeem an invite first: mesh invite redeem CODE" : `There are: ${list}.`,
    });
  }

  async #readRecord(name: string): Promise<CollectiveRecord | undefined> {
    const path = this.#path("collectives", name, "collective.json");
    const text = await readIfThere(path);
    return text === undefined ? undefined : parseRecord<CollectiveRecord>(text, path);
  }

  #writeIdentity(identity: IdentityRecord): Promise<void> {
    return writePrivate(this.#path("identity", "identity.json"), toJson(identity));
  }

  async #putAside(nowMs: number): Promise<void> {
    const folder = this.#path("replaced", new Date(nowMs).toISOString().replaceAll(":", "-"));
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const part of ["identity", "collectives"]) {
      await rename(this.#path(part), join(folder, part)).catch((error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      });
    }
  }

  #path(...parts: string[]): string {
    return join(this.#home, ...parts);
  }
}

/** The public half of a private key in PEM. */
export function publicHalf(privateKeyPem: string): Pick<KeyPairPem, "publicKeyPem" | "nodeId"> {
  const publicKeyDer = publicKeyDerOf(privateKeyPem);
  const base64 =
    Buffer.from(publicKeyDer)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  const lines = ["-----BEGIN PUBLIC KEY-----", ...base64, "-----END PUBLIC KEY-----", ""];
  const publicKeyPem = lines.join("\n");
  return { publicKeyPem, nodeId: nodeIdOfPublicKey(publicKeyDer) };
}

function freeName(wish: string, taken: ReadonlySet<string>): string {
  let name = wish;
  for (let number = 2; taken.has(name); number++) name = `${wish}-${number}`;
  return name;
}

function toJson(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

function parseRecord<Record extends { v: number }>(text: string, path: string): Record {
  let record: Record;
  try {
    record = JSON.parse(text) as Record;
  } catch (cause) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `${path} is damaged`,
      hint: "Restore it from a backup.",
      cause,
    });
  }
  if (record?.v === 1) return record;
  throw new MeshError("MESH_STORE_NEWER", { message: `${path} was written by a newer version` });
}
