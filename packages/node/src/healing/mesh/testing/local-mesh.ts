/**
 * The mesh of some nodes in one process: real links over TLS, real membership over UDP, on
 * loopback. For tests of what the healer sees of other nodes.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  MeshError,
  type NodeId,
  parseTrustDomain,
  silentLogger,
  systemClock,
  systemRandom,
} from "@hearthmesh/core";
import {
  createMemberCa,
  createVerifier,
  generateKeyPair,
  issueCertificate,
  type MemberCa,
  publicKeyDerOf,
} from "@hearthmesh/identity";
import type { Config } from "../../../config/config.js";
import { loadConfig } from "../../../config/load.js";
import { CredentialHolder } from "../../../credential-holder.js";
import { freePort } from "../../../etcd/testing/etcd-fixture.js";
import { type NodeRecord, nodeFiles } from "../../../home.js";
import { LinkDoors } from "../../../link-doors.js";
import { MeshPart } from "../../../mesh/mesh-part.js";
import { MeshSecretKeeper } from "../../../mesh/mesh-secret-keeper.js";
import { MethodRouter } from "../../../method-router.js";

const tools = { clock: systemClock(), random: systemRandom(), log: silentLogger };
const MEMBER = { memberId: "alice", trustDomain: parseTrustDomain("home.alice") };

export interface LocalNode {
  readonly name: string;
  readonly nodeId: NodeId;
  readonly mesh: MeshPart;
  readonly doors: LinkDoors;
  readonly credentials: CredentialHolder;
}

interface Seed {
  readonly record: NodeRecord;
  readonly keyPem: string;
  readonly publicKeyPem: string;
  readonly certificatePem: string;
  readonly config: Config;
}

export class LocalMesh {
  readonly nodes = new Map<string, LocalNode>();
  readonly revoked = new Set<NodeId>();
  readonly #folder: string;
  readonly #ca: MemberCa;
  readonly #seeds = new Map<string, Seed>();

  private constructor(folder: string, ca: MemberCa) {
    this.#folder = folder;
    this.#ca = ca;
  }

  static async start(names: readonly string[]): Promise<LocalMesh> {
    const folder = await mkdtemp(join(tmpdir(), "local-mesh-"));
    const mesh = new LocalMesh(folder, await createMemberCa({ ...MEMBER, ...tools }));
    for (const name of names) await mesh.startNode(name);
    return mesh;
  }

  node(name: string): LocalNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`there is no node ${name}`);
    return node;
  }

  /** Where its links are. */
  linkAddress(name: string): string {
    const links = this.#seeds.get(name)?.config.links;
    return `${links?.host}:${links?.port}`;
  }

  /** Again with its key and ports when it was there before; `hubs` are link addresses. */
  async startNode(name: string, hubs: readonly string[] = []): Promise<LocalNode> {
    const seed = this.#seeds.get(name) ?? (await this.#makeSeed(name, hubs));
    this.#seeds.set(name, seed);
    const { record, keyPem, publicKeyPem, certificatePem, config } = seed;
    const files = nodeFiles(config, record);
    const caCertificatePem = this.#ca.certificatePem;
    const credentials = new CredentialHolder(files, { keyPem, certificatePem, caCertificatePem });
    const { trustDomain } = MEMBER;
    const bundle = { trustDomain, sequence: 1, caCertificatesPem: [caCertificatePem] };
    const verifier = createVerifier(bundle);
    const router = new MethodRouter(() => undefined);
    const doors: LinkDoors = new LinkDoors({
      ...{ address: config.links, credentials, publicKeyPem, router, ...tools },
      principalOf: (certificates) => verifier.verify(certificates, { nowMs: tools.clock.nowMs() }),
      self: () => {
        throw new MeshError("MESH_INTERNAL");
      },
      onOpened: (link, origin) => mesh.adopt(link, origin),
    });
    const path = files.meshSecret;
    const secrets = await MeshSecretKeeper.open({ path, isCoordinator: false, ...tools });
    const mesh: MeshPart = new MeshPart({
      ...{ config, record, credentials, publicKeyPem, doors, files, secrets, ...tools },
      bundle,
      isRevoked: (nodeId) => this.revoked.has(nodeId),
    });
    for (const part of mesh.methods()) router.add(part);
    await doors.start();
    await mesh.start();
    const node = { name, nodeId: record.nodeId, mesh, doors, credentials };
    this.nodes.set(name, node);
    return node;
  }

  /** Ends without a word. */
  async crash(name: string): Promise<void> {
    const { mesh, doors } = this.node(name);
    this.nodes.delete(name);
    await mesh.parts.swim.stop({ leave: false });
    await mesh.parts.discovery.stop();
    for (const link of doors.links()) link.destroy(new Error("the process was killed"));
    await doors.stop();
    await mesh.stop();
  }

  async leave(name: string): Promise<void> {
    const { mesh, doors } = this.node(name);
    this.nodes.delete(name);
    await mesh.stop();
    await doors.stop();
  }

  async stop(): Promise<void> {
    await Promise.all([...this.nodes.keys()].map((name) => this.crash(name)));
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #makeSeed(name: string, hubs: readonly string[]): Promise<Seed> {
    const { privateKeyPem: keyPem, publicKeyPem, nodeId } = generateKeyPair();
    const { certificatePem } = await issueCertificate({
      ca: this.#ca,
      publicKeyDer: publicKeyDerOf(publicKeyPem),
      kind: "node",
      trustDomain: MEMBER.trustDomain,
      name,
      validityMs: 3_600_000,
      ...tools,
    });
    const record: NodeRecord = { v: 1, nodeId, name, ...MEMBER, roles: ["storage"] };
    return { record, keyPem, publicKeyPem, certificatePem, config: await this.#config(name, hubs) };
  }

  /** Each knows the links of those that came before it. */
  async #config(name: string, hubs: readonly string[]): Promise<Config> {
    const home = join(this.#folder, name);
    const { config } = loadConfig({ flags: {}, env: { MESH_HOME: home }, cwd: this.#folder });
    const at = async () => ({ host: "127.0.0.1", port: await freePort() });
    const peers = [...this.#seeds.values()].map(
      ({ config: { links } }) => `${links.host}:${links.port}`,
    );
    return {
      ...config,
      links: await at(),
      mesh: {
        ...config.mesh,
        ...{ profile: "loopback", peers, hubs, beacon: { ...config.mesh.beacon, enabled: false } },
        membership: { ...(await at()), udp: true },
      },
    };
  }
}
