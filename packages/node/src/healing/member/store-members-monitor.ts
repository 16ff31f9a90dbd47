/** Whether all members of the store's etcd cluster answer, as the supervisor last saw. Pure. */
import type { Fact, Subject } from "@hearthmesh/healing";
import type { SupervisorStatus } from "../../etcd/supervisor-status.js";
import { factOf } from "./fact-of.js";

export function storeMemberFacts({ members, phase }: SupervisorStatus): Fact[] {
  const healthy = members.filter(({ health }) => health === "ok").length;
  const voters = members.filter(({ role }) => role === "voter").length;
  return members.map(({ id, name, nodeId = "", role, health }) => {
    const subject: Subject = { type: "store", id, name: `the etcd of ${name || "a new member"}` };
    const values = { nodeId, role, healthy, voters, phase };
    const count = `${healthy} of ${members.length} members answer`;
    const tell = (verdict: Fact["verdict"], text: string) =>
      factOf("store-member-lost", subject, verdict, `${text}; ${count}`, values);
    if (health === "not started") return tell("unknown", `${subject.name} has not started yet`);
    if (health === "ok") return tell("well", `${subject.name} answers as a ${role}`);
    return tell("ill", `${subject.name}, a ${role}, does not answer`);
  });
}
