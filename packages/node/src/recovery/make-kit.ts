/** The recovery kit of a home, from the files of its coordinator; nobody but the caller gets it. */
import { MeshError, parseMemberId, parseTrustDomain } from "@hearthmesh/core";
import {
  formatRecoveryKit,
  type KitFriend,
  kitAsOneText,
  parseEndpoint,
  RECOVERY_KIT_FRIENDS_MAX,
  type RecoveryKit,
  scalarOfKey,
} from "@hearthmesh/identity";
import { type ConfigSources, loadConfig } from "../config/load.js";
import { nodeFiles, readKey, readNodeRecord } from "../home.js";
import { readStoreKey } from "./store-key.js";

/** A friend as the coordinator names it. */
export interface KitFriendNames {
  readonly memberId: string;
  readonly trustDomain: string;
  readonly caPin: string;
  readonly apiAddresses: readonly string[];
}

export interface MadeKit {
  readonly memberId: string;
  /** For paper: see `formatRecoveryKit`. */
  readonly text: string;
  /** The same for a QR code. */
  readonly oneText: string;
  /** Friends that did not fit any more. */
  readonly leftOut: readonly string[];
}

/** `MESH_CONFIG_INVALID` when the home is not that of a coordinator, `MESH_HOME_UNSAFE`. */
export async function makeRecoveryKit(
  sources: ConfigSources,
  friends: readonly KitFriendNames[],
): Promise<MadeKit> {
  const { config } = loadConfig(sources);
  const record = await readNodeRecord(config.home);
  if (record === undefined || !record.roles.includes("coordinator")) {
    throw new MeshError("MESH_CONFIG_INVALID", {
      message: `${config.home} is not the home of a coordinator`,
      hint: "The kit is made on the coordinator's own machine: its keys never leave it otherwise.",
    });
  }
  const files = nodeFiles(config, record);
  const kit: RecoveryKit = {
    memberId: parseMemberId(record.memberId),
    trustDomain: parseTrustDomain(record.trustDomain),
    caKey: scalarOfKey(await readKey(files.caKey)),
    storeKey: await readStoreKey(files),
    friends: friends.slice(0, RECOVERY_KIT_FRIENDS_MAX).map(kitFriend),
  };
  return {
    memberId: record.memberId,
    text: formatRecoveryKit(kit),
    oneText: kitAsOneText(kit),
    leftOut: friends.slice(RECOVERY_KIT_FRIENDS_MAX).map(({ trustDomain }) => trustDomain),
  };
}

function kitFriend({ memberId, trustDomain, caPin, apiAddresses }: KitFriendNames): KitFriend {
  return {
    memberId: parseMemberId(memberId),
    trustDomain: parseTrustDomain(trustDomain),
    caPin,
    endpoints: apiAddresses.map(parseEndpoint),
  };
}
