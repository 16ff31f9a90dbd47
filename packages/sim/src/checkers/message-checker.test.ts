import { describe, expect, it } from "vitest";
import { MessageChecker } from "./message-checker.js";

function checker() {
  const problems: string[] = [];
  const messages = new MessageChecker((problem) => problems.push(problem));
  const send = (lane = "rpc") => {
    const message = messages.next("a>", lane, 3, 0);
    messages.sent(message);
    return message;
  };
  return { problems, messages, send };
}

describe("the checker of messages", () => {
  it("takes messages in order, over several connections, with losses between them", () => {
    const { problems, messages, send } = checker();
    const [one, two, _lost, four] = [send(), send(), send(), send()];
    messages.received(one, "first");
    messages.received(two, "first");
    messages.received(four, "second");
    messages.received(send("bulk"), "second");
    expect([problems, messages.missing("a>", "rpc"), messages.arrived]).toEqual([[], 0, 4]);
    expect(messages.hasArrived(two)).toBe(true);
  });

  it("counts each receiver of a broadcast apart", () => {
    const { problems, messages, send } = checker();
    const one = send();
    for (const name of ["dora", "emil"]) messages.received(one, `over ${name}`, name);
    expect([problems, messages.hasArrived(one, "dora"), messages.hasArrived(one)]).toEqual([
      [],
      true,
      false,
    ]);
  });

  it("finds what came twice, out of order, mixed up, or from nowhere, and counts gaps", () => {
    const { problems, messages, send } = checker();
    const [one, two, _three, four] = [send(), send(), send(), send()];
    messages.received(two, "c");
    messages.received(two, "d");
    messages.received(one, "c");
    messages.received({ ...four, text: "zzz" }, "d");
    messages.received({ ...four, number: 9 }, "e");
    const refused = messages.next("a>", "rpc", 3, 0);
    messages.sent(refused);
    messages.unsent(refused);
    messages.received(refused, "f");
    expect(problems).toEqual([
      "a> rpc 2 arrived twice",
      "a> rpc 1 arrived after 2 over c",
      "a> rpc 4 has another's content",
      "a> rpc 9 was never sent",
      "a> rpc 9 has another's content",
      "a> rpc 5 was never sent",
    ]);
    expect(messages.missing("a>", "rpc")).toBe(1);
  });
});
