/**
 * The way from a machine that has nothing but the recovery kit to the friends: the API of their
 * coordinators under mutual TLS. The friend is known by the pin in the kit, and this side by a
 * certificate that the member's CA, made anew from its key, has issued.
 */
import { ApiClient, HttpFiles, probeCertificates } from "@hearthmesh/client";
import type { FriendFiles } from "@hearthmesh/collective";
import type { TrustDomain } from "@hearthmesh/core";
import { type Clock, MeshError, type Random, toBase32 } from "@hearthmesh/core";
import {
  checkPinnedChain,
  type Endpoint,
  formatEndpoint,
  generateKeyPair,
  issueCertificate,
  type KitFriend,
  type MemberCa,
  publicKeyDerOf,
} from "@hearthmesh/identity";

const PROBE_TIMEOUT_MS = 10_000;
/** The restore of a large member takes hours, and the friends are asked again then. */
const CERTIFICATE_MS = 86_400_000;

export interface RestoringMember {
  readonly ca: MemberCa;
  readonly trustDomain: TrustDomain;
}

export interface FriendDoor {
  readonly files: FriendFiles;
  close(): void;
}

export interface FriendDoorsOptions {
  readonly friends: readonly KitFriend[];
  /** Addresses that were named instead of those in the kit: each is tried for each friend. */
  readonly addresses: readonly Endpoint[];
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

interface OwnCredentials {
  readonly keyPem: string;
  readonly certificatePem: string;
}

/** By trust domain; a friend that could not be reached has the reason in its place. */
export async function openFriendDoors(
  member: RestoringMember,
  options: FriendDoorsOptions,
): Promise<Map<string, FriendDoor | MeshError>> {
  const own = await ownCredentials(member, options);
  const doors = await Promise.all(
    options.friends.map(async (friend) => {
      const door = await openDoor(friend, own, options).catch((error: unknown) => {
        options.signal.throwIfAborted();
        if (error instanceof MeshError) return error;
        throw error;
      });
      return [friend.trustDomain as string, door] as const;
    }),
  );
  return new Map(doors);
}

async function ownCredentials(
  { ca, trustDomain }: RestoringMember,
  { clock, random }: FriendDoorsOptions,
): Promise<OwnCredentials> {
  const keys = generateKeyPair();
  const { certificatePem } = await issueCertificate({
    ca,
    publicKeyDer: publicKeyDerOf(keys.publicKeyPem),
    kind: "coordinator",
    trustDomain,
    name: `restore-${toBase32(random.bytes(5))}`,
    validityMs: CERTIFICATE_MS,
    clock,
    random,
  });
  return { keyPem: keys.privateKeyPem, certificatePem };
}

async function openDoor(
  friend: KitFriend,
  own: OwnCredentials,
  { addresses, clock, random, signal }: FriendDoorsOptions,
): Promise<FriendDoor> {
  const endpoints = addresses.length > 0 ? addresses : friend.endpoints;
  let failure = new MeshError("MESH_UNREACHABLE", {
    message: `the kit has no address of ${friend.trustDomain}`,
    hint: "Name one with `--from host:port`: the port of its API, 8001 by default.",
  });
  for (const endpoint of endpoints) {
    try {
      const chain = await probeCertificates(endpoint, { timeoutMs: PROBE_TIMEOUT_MS, signal });
      const { caPin, memberId } = friend;
      const pinned = checkPinnedChain(chain, { caPin, memberId, nowMs: clock.nowMs() });
      const { caCertificatePem } = pinned;
      const address = formatEndpoint(endpoint);
      const credentials = { ...own, caCertificatePem };
      const api = new ApiClient({ addresses: [address], credentials, clock, random });
      return { files: new HttpFiles(api), close: () => api.close() };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof MeshError)) throw error;
      failure = error;
    }
  }
  throw failure;
}
