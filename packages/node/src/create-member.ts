/** The first start on a machine without a node: a new member, and its coordinator. */
import { randomBytes } from "node:crypto";
import { hostname, userInfo } from "node:os";
import { writePrivate } from "@hearthmesh/client/private-files";
import {
  type Clock,
  MeshError,
  parseMemberId,
  parseNodeName,
  parseTrustDomain,
  type Random,
} from "@hearthmesh/core";
import { createMemberCa, generateKeyPair, type NodeRole } from "@hearthmesh/identity";
import type { Config } from "./config/config.js";
import { type NodeRecord, nodeFiles, writeNode } from "./home.js";

const ALL_ROLES: readonly NodeRole[] = ["coordinator", "storage", "gateway", "ai"];

/**
 * Makes the CA and this node's key, and writes them. Throws `MESH_CONFIG_INVALID` when the
 * configuration asks for a node without a coordinator, which has to join a member instead.
 */
export async function createMember(
  config: Config,
  tools: { clock: Clock; random: Random },
): Promise<NodeRecord> {
  const roles = config.roles ?? ALL_ROLES;
  if (!roles.includes("coordinator")) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message:
        "this machine is not a node yet, " +
        `and a ${roles.join(" and ")} node needs a coordinator`,
      hint: "Join a member with `mesh join CODE`, or start one here with `mesh up`.",
    });
  }
  const memberId = parseMemberId(config.memberId ?? nameFrom(userInfo().username, "home", 32));
  const trustDomain = parseTrustDomain(config.trustDomain ?? `home.${memberId}`);
  const name = parseNodeName(config.nodeName ?? defaultNodeName());
  const ca = await createMemberCa({ memberId, trustDomain, ...tools });
  const keys = generateKeyPair();
  const record: NodeRecord = { v: 1, nodeId: keys.nodeId, name, memberId, trustDomain, roles };
  const files = nodeFiles(config, record);
  await writePrivate(files.caKey, ca.privateKeyPem);
  await writePrivate(files.receiptSecret, randomBytes(32).toString("base64url"));
  await writeNode(files, record, {
    keyPem: keys.privateKeyPem,
    caCertificatePem: ca.certificatePem,
  });
  return record;
}

/** The machine's host name, as far as a node name may hold it. */
export function defaultNodeName(): string {
  return nameFrom(hostname(), "node", 63);
}

/** What a name may hold of a text; the fallback when nothing of it is left. */
function nameFrom(text: string, fallback: string, lengthMax: number): string {
  const name = text
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, "-")
    .slice(0, lengthMax)
    .replace(/^-+|-+$/g, "");
  return name === "" ? fallback : name;
}

/** Names for tools that look at more than the SPIFFE id, such as `curl` on port 8001. */
export function certificateNames(
  config: Pick<Config, "advertise">,
  name: string,
): { dnsNames: string[]; ipAddresses: string[] } {
  const isAddress = (host: string) => /^[\d.]+$|:/.test(host);
  return {
    dnsNames: ["localhost", name, ...config.advertise.filter((host) => !isAddress(host))],
    ipAddresses: ["127.0.0.1", "::1", ...config.advertise.filter(isAddress)],
  };
}
