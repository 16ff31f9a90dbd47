/** Under which addresses other machines may reach this one. */
import { networkInterfaces } from "node:os";
import { formatEndpoint } from "@hearthmesh/identity";
import type { HostPort } from "./config/config.js";
import { ADDRESSES_BEFORE_OVERLAY_MAX } from "./overlay/limits.js";

/**
 * What the door is published as, then the hosts an operator named, else, for a door that listens
 * everywhere, every address of the machine's network cards (loopback last, for nodes on the same
 * machine), else the door's own host. Addresses of an overlay come after all: it is the longer way.
 */
export function reachableAddresses(door: HostPort, advertise: readonly string[]): string[] {
  const everywhere = door.host === "0.0.0.0" || door.host === "::";
  const overlay = door.overlayHosts?.() ?? [];
  const hosts = advertise.length > 0 ? advertise : everywhere ? localHosts(overlay) : [door.host];
  const endpoints = (all: readonly string[]) =>
    all.map((host) => formatEndpoint({ host, port: door.port }));
  const own = [...new Set([...(door.published ?? []), ...endpoints(hosts)])];
  if (overlay.length === 0) return own;
  // Others keep a bounded number of them, the first ones.
  return [...new Set([...own.slice(0, ADDRESSES_BEFORE_OVERLAY_MAX), ...endpoints(overlay)])];
}

/** The same for others than this machine: loopback only where there is nothing else. */
export function outsideAddresses(door: HostPort, advertise: readonly string[]): string[] {
  const all = reachableAddresses(door, advertise);
  const outside = all.filter((address) => !/^(127\.|\[::1\])/.test(address));
  return outside.length > 0 ? outside : all;
}

function localHosts(except: readonly string[]): string[] {
  const cards = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
  const outside = cards
    .filter((card) => !card.internal && !card.address.startsWith("fe80:"))
    .filter((card) => !except.includes(card.address))
    .sort((a, b) => Number(a.family === "IPv6") - Number(b.family === "IPv6"))
    .map((card) => card.address);
  return [...outside, "127.0.0.1"];
}
