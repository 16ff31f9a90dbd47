import { describe, expect, it } from "vitest";
import { z } from "zod";
import { issueWords, refusedFields } from "./issue-words.js";

const form = z
  .object({
    limit: z.coerce.number().int().min(1).max(100).exactOptional(),
    count: z.number().int().exactOptional(),
    kind: z.enum(["partition", "disk-full", "load-high"]).exactOptional(),
    name: z.string().min(1).max(8).exactOptional(),
    tag: z.string().min(3, { error: "a tag has three letters" }).exactOptional(),
    on: z.boolean().exactOptional(),
    hosts: z.array(z.string().min(1)).min(1).max(2).exactOptional(),
  })
  .strict();

function refusal(value: unknown, schema: z.ZodType = form): string {
  const { error } = schema.safeParse(value, { error: issueWords });
  return refusedFields("body", error?.issues ?? []).message;
}

describe("what a request has wrong", () => {
  it.each([
    [{ limit: "0" }, "limit: use 1 or more"],
    [{ limit: 101 }, "limit: use 100 or less"],
    [{ limit: "x" }, "limit: use a number"],
    [{ count: 1.5 }, "count: use a whole number"],
    [{ kind: "foo" }, "kind: use partition, disk-full or load-high"],
    [{ name: "" }, "name: it is empty"],
    [{ name: "longer than that" }, "name: use at most 8 characters"],
    [{ name: 7 }, "name: use text"],
    [{ tag: "x" }, "tag: a tag has three letters"],
    [{ on: "yes" }, "on: use true or false"],
    [{ hosts: "a" }, "hosts: use a list"],
    [{ hosts: [] }, "hosts: name at least 1"],
    [{ hosts: ["a", ""] }, "hosts.1: an entry of it is empty"],
    [{ one: 1 }, 'body: "one" is not known here'],
    [{ one: 1, two: 2 }, 'body: "one" and "two" are not known here'],
    [null, "body: use an object"],
    [undefined, "body: it is missing"],
  ])("%j: %s", (value, words) => {
    expect(refusal(value)).toBe(`the body is not valid: ${words}`);
  });

  it("names what is missing, and each field once with its own reason", () => {
    const both = z.object({ from: z.string(), to: z.number() });
    expect(refusal({ to: "x" }, both)).toBe(
      "the body is not valid: from: it is missing; to: use a number",
    );
  });

  it("is no longer for a body with very many faults", () => {
    const list = z.array(z.number());
    const message = refusal(Array(1_000).fill("x"), list);
    expect(message).toContain("9: use a number; and 990 more");
    expect(message.length).toBeLessThan(300);
    const keys = Array.from({ length: 500 }, (_, at) => [`${"k".repeat(100)}${at}`, at]);
    const strange = refusal(Object.fromEntries(keys));
    expect(strange).toMatch(/^the body is not valid: body: ("k{40}"(, )?){5}/);
    expect(strange).toMatch(/ and 495 more are not known here$/);
  });
});
