/** Whether every machine is there that holds a part of a model which this node leads. Pure. */
import type { Fact, Subject } from "@hearthmesh/healing";
import type { PeerInfo } from "@hearthmesh/membership";
import type { NodeRings } from "@hearthmesh/pool";
import { factOf, namesText } from "./fact-of.js";

type Peer = Pick<PeerInfo, "nodeId" | "state">;

export function ringFacts(led: NodeRings["led"], peers: readonly Peer[], selfId: string): Fact[] {
  const gone = new Set(
    peers.filter(({ state }) => state === "dead" || state === "left").map(({ nodeId }) => nodeId),
  );
  return led.map(({ ringId, model, epoch, members, running }) => {
    const subject: Subject = { type: "pool", id: ringId, name: `the ring of ${model}` };
    const lost = members.filter(({ nodeId }) => nodeId !== selfId && gone.has(nodeId));
    const values = { model, epoch, members: members.length, running };
    const all = `epoch ${epoch} runs on ${namesText(members.map(({ name }) => name))}`;
    if (lost.length === 0) return factOf("pool-member-lost", subject, "well", all, values);
    const away = `${namesText(lost.map(({ name }) => name))} ${lost.length === 1 ? "is" : "are"}`;
    const answers = `${running === 1 ? "1 answer is" : `${running} answers are`} under way`;
    return factOf("pool-member-lost", subject, "ill", `${all}; ${away} away; ${answers}`, values);
  });
}
