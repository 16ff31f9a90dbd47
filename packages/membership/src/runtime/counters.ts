/** What came, went and was refused, for metrics. */
import type { SealRefusal } from "./datagram-seal.js";

/**
 * Why something was refused. Of a datagram: the seal's reasons; `flood`: its sender or address said
 * too much; `unreadable`: within the seal is no datagram; `impostor`: it names another sender than
 * the seal or link. Of a record: `wrong-proof`, and `proof-limit` when there were too many; `full`:
 * too many wait for a certificate.
 */
export type Refusal =
  | SealRefusal
  | "flood"
  | "unreadable"
  | "impostor"
  | "wrong-proof"
  | "proof-limit"
  | "full";

export interface SwimCounters {
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  /** Of those, the ones on links. */
  readonly linkDatagramsIn: number;
  readonly linkDatagramsOut: number;
  readonly refused: Readonly<Partial<Record<Refusal, number>>>;
}

export class Counting implements SwimCounters {
  datagramsIn = 0;
  datagramsOut = 0;
  linkDatagramsIn = 0;
  linkDatagramsOut = 0;
  readonly refused: Partial<Record<Refusal, number>> = {};

  refuse(reason: Refusal): void {
    this.refused[reason] = (this.refused[reason] ?? 0) + 1;
  }

  get now(): SwimCounters {
    const { datagramsIn, datagramsOut, linkDatagramsIn, linkDatagramsOut } = this;
    const refused = { ...this.refused };
    return { datagramsIn, datagramsOut, linkDatagramsIn, linkDatagramsOut, refused };
  }
}
