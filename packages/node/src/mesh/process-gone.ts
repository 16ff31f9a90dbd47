/**
 * Asks the machine of a peer whether the peer's process is gone: its system refuses connections to
 * a port where nothing listens, at once. A process that stands still is connected to all the same,
 * and a machine without power answers nothing; both are told by silence alone.
 */
import { connect } from "node:net";
import { type Clock, sleep } from "@hearthmesh/core";
import { parseEndpoint } from "@hearthmesh/identity";
import type { PeerInfo } from "@hearthmesh/membership";

/** A process that ends closes its links before its port, or after it. */
const LOOKS_AFTER_MS = [0, 50, 200];
const CONNECT_MS_MAX = 500;

/**
 * `remoteAddress` is where the last link to the peer went. False unless that is an address that
 * the peer itself gave: behind a router that translates addresses, somebody else would answer.
 */
export async function isProcessGone(
  peer: Pick<PeerInfo, "linkAddresses">,
  remoteAddress: string,
  clock: Clock,
): Promise<boolean> {
  const host = /^\[?(.*?)\]?:\d+$/.exec(remoteAddress)?.[1]?.replace(/^::ffff:/, "");
  const place = peer.linkAddresses.map(parseEndpoint).find((one) => one.host === host);
  if (place === undefined) return false;
  for (const afterMs of LOOKS_AFTER_MS) {
    if (afterMs > 0) await sleep(clock, afterMs);
    if (await refuses(place.host, place.port)) return true;
  }
  return false;
}

function refuses(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: CONNECT_MS_MAX });
    const over = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => over(false));
    socket.once("timeout", () => over(false));
    socket.once("error", (error: NodeJS.ErrnoException) => over(error.code === "ECONNREFUSED"));
  });
}
