/**
 * What makes a machine a coordinator of its member: the keys behind certificates, receipts and
 * beacons, and the authority of the store. The first coordinator makes them; every further one asks
 * a coordinator for them, over a link on which both have shown a coordinator's certificate.
 */

import { readIfThere, readPrivate, writePrivate } from "@hearthmesh/client/private-files";
import { requireCoordinator } from "@hearthmesh/collective";
import {
  decodeMessage,
  encodeMessage,
  errorFields,
  fromWireError,
  MeshError,
  parseTrustDomain,
} from "@hearthmesh/core";
import { createVerifier, parseEndpoint, publicKeyDerOf, signerOf } from "@hearthmesh/identity";
import { dialLink, type Link, type LinkOptions, tlsTransport } from "@hearthmesh/qwormhole";
import { knownCoordinators, type NodeFiles, type NodeRecord, readCredentials } from "../home.js";
import { keyPairOf } from "../key-pair.js";
import type { MethodPart } from "../method-router.js";
import type { Tools } from "../tools.js";

const METHOD = "coordinator.secrets";
const TIMEOUT_MS = 15_000;
const SECRET_BYTES_MAX = 64 * 1024;

/** The files that every coordinator of a member has, under the name in which they travel. */
function secretFiles(files: NodeFiles): Readonly<Record<string, string>> {
  const { caKey, copiesKey, receiptSecret, meshSecret, storeCaKey, storeCaCertificate } = files;
  return { caKey, copiesKey, receiptSecret, meshSecret, storeCaKey, storeCaCertificate };
}

/** Where the store is, for who comes to it for the first time. */
export interface StoreDirections {
  readonly engine: "sqlite" | "etcd";
  /**
   * `host:port` of the etcd of the other coordinators; empty for a cluster that is run by others.
   */
  readonly addresses: readonly string[];
}

/** Serves the other coordinators. `directions` is asked each time. */
export function secretsPart(
  files: NodeFiles,
  trustDomain: string,
  directions: () => StoreDirections,
): MethodPart {
  return {
    prefixes: [METHOD],
    callers: "machines",
    handlers: {
      onRequest: async ({ peer }) => {
        requireCoordinator(peer, trustDomain);
        const secrets: Record<string, string> = {};
        for (const [name, path] of Object.entries(secretFiles(files))) {
          if ((await readIfThere(path)) !== undefined) secrets[name] = await readPrivate(path);
        }
        return encodeMessage({ store: directions() }, Buffer.from(JSON.stringify(secrets)));
      },
    },
  };
}

/**
 * Asks the coordinators that this node knows, until one answers, and keeps what it gave. Answers
 * where the store is. `MESH_UNREACHABLE` with every reason when none answered.
 */
export async function fetchMemberSecrets(
  record: NodeRecord,
  files: NodeFiles,
  tools: Tools,
): Promise<StoreDirections> {
  const reasons: string[] = [];
  for (const { nodeId, linkAddresses } of knownCoordinators(record)) {
    for (const address of linkAddresses) {
      try {
        return await askAt(address, nodeId, record, files, tools);
      } catch (error) {
        reasons.push(`${address}: ${(error as Error).message}`);
        tools.log.debug("no keys from there", { peerAddress: address, ...errorFields(error) });
      }
    }
  }
  throw new MeshError("MESH_UNREACHABLE", {
    message:
      "this machine is to be a coordinator, and none of the others gave it the member's keys" +
      ` (${reasons.join("; ")})`,
    hint: "Start one of them, and check that its link port can be reached from here.",
  });
}

async function askAt(
  address: string,
  nodeId: string,
  record: NodeRecord,
  files: NodeFiles,
  tools: Tools,
): Promise<StoreDirections> {
  const link = await dialCoordinator(address, nodeId, record, files, tools);
  try {
    const options = { timeoutMs: TIMEOUT_MS, priority: "control" as const };
    const answer = await link.request(METHOD, encodeMessage({}), options);
    const { header, body } = decodeMessage<{ store?: unknown }>(answer);
    const store = readDirections(header.store);
    await keepSecrets(body, files);
    return store;
  } catch (error) {
    throw fromWireError(error);
  } finally {
    await link.close("the keys are here").catch(() => undefined);
  }
}

async function dialCoordinator(
  address: string,
  expectedNodeId: string,
  record: NodeRecord,
  files: NodeFiles,
  { clock, random }: Tools,
): Promise<Link> {
  const { keyPem, certificatePem, caCertificatePem } = await readCredentials(files);
  const trustDomain = parseTrustDomain(record.trustDomain);
  const bundle = { trustDomain, sequence: 1, caCertificatesPem: [caCertificatePem] };
  const verifier = createVerifier(bundle);
  const options: LinkOptions = {
    identity: { publicKey: publicKeyDerOf(keyPairOf(keyPem).publicKeyPem), sign: signerOf(keyPem) },
    handlers: {},
    clock,
    random,
    verifyPeer: (peer) => {
      const principal = verifier.verify(peer.certificates, { nowMs: clock.nowMs() });
      if (principal.kind === "coordinator" && principal.nodeId === peer.nodeId) return principal;
      throw new MeshError("MESH_CERT_UNTRUSTED", {
        message: `${principal.name} is no coordinator of ${record.memberId}`,
      });
    },
  };
  const credentials = () => ({ keyPem, certificatePem, caPem: caCertificatePem });
  const transport = tlsTransport({ credentials });
  return dialLink(transport, parseEndpoint(address), { ...options, expectedNodeId });
}

function readDirections(value: unknown): StoreDirections {
  const { engine, addresses } = (value ?? {}) as Partial<Record<keyof StoreDirections, unknown>>;
  const isText = (one: unknown): one is string => typeof one === "string" && one.length <= 300;
  if (engine === "etcd" && Array.isArray(addresses) && addresses.every(isText)) {
    return { engine, addresses };
  }
  throw new MeshError("MESH_CONFIG_INVALID", {
    message: "this member has its records in an embedded store, which allows one coordinator",
    hint: "Move them to etcd on that machine: `mesh store migrate --from sqlite --to etcd`.",
  });
}

async function keepSecrets(body: Uint8Array, files: NodeFiles): Promise<void> {
  const secrets = JSON.parse(Buffer.from(body).toString("utf8")) as Record<string, unknown>;
  for (const [name, path] of Object.entries(secretFiles(files))) {
    const secret = secrets[name];
    if (secret === undefined) continue;
    if (typeof secret !== "string" || secret.length > SECRET_BYTES_MAX) {
      throw new MeshError("MESH_PROTOCOL", { message: `the coordinator sent no readable ${name}` });
    }
    // The CA's key comes last: with it this machine believes to be complete.
    if (name !== "caKey") await writePrivate(path, secret);
  }
  if (typeof secrets.caKey !== "string" || typeof secrets.receiptSecret !== "string") {
    throw new MeshError("MESH_PROTOCOL", { message: "the coordinator did not send all keys" });
  }
  await writePrivate(files.caKey, secrets.caKey);
}
