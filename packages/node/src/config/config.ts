/** The configuration as the daemon uses it: every value checked, typed and with its unit. */
import type { NodeRole } from "@hearthmesh/identity";

export interface HostPort {
  host: string;
  port: number;
}

export interface Config {
  /** Directory of everything that the node keeps. */
  home: string;
  certificatesDirectory: string;
  /** Undefined: taken from what is on disk, or chosen at the first start. */
  memberId: string | undefined;
  trustDomain: string | undefined;
  nodeName: string | undefined;
  roles: readonly NodeRole[] | undefined;
  site: string;
  advertise: readonly string[];
  http: HostPort;
  api: HostPort;
  links: HostPort;
  enrolment: HostPort;
  metrics: HostPort;
  capacityBytes: number | undefined;
  packBytesMax: number;
  replicas: number;
  acks: number;
  repairIntervalMs: number;
  garbageGraceMs: number;
  logLevel: "debug" | "info" | "warn" | "error";
}
