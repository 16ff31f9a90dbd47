import type { InviteId, MemberId } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeInvite, inviteIdOf, parseInvite } from "./invite-code.js";
import { hashInviteSecret, inviteSecretMatches, newInviteSecret } from "./invite-secret.js";
import type { InviteCode } from "./types.js";

const BASE32 = [..."abcdefghijklmnopqrstuvwxyz234567"];
const invalid = expect.objectContaining({ code: "MESH_INVITE_INVALID" });

const base32 = (length: number) =>
  fc
    .array(fc.constantFrom(...BASE32), { minLength: length, maxLength: length })
    .map((c) => c.join(""));
const host = fc.oneof(
  fc.constantFrom("alice.example", "10.0.0.1", "::1", "fd00::12", "my_box", "localhost"),
  fc
    .domain()
    .map((name) => name.toLowerCase())
    .filter((name) => name.length < 80),
);
const codes: fc.Arbitrary<InviteCode> = fc.record({
  memberId: fc.constantFrom("alice", "home-alice", "a", "a-b-c-2").map((id) => id as MemberId),
  caPin: base32(26),
  id: base32(10).map((id) => id as InviteId),
  secret: base32(32),
  endpoints: fc.array(fc.record({ host, port: fc.integer({ min: 1, max: 65_535 }) }), {
    maxLength: 3,
  }),
});

const example: InviteCode = {
  memberId: "alice" as MemberId,
  caPin: "qmyy6f7hnauunmsw4yd2cetuee",
  id: "abcdefghij" as InviteId,
  secret: "abcdefghijklmnopqrstuvwxyz234567",
  endpoints: [{ host: "alice.example", port: 9001 }],
};

describe("the text of an invite", () => {
  it("is read back from text and link, in any case, with white space around it", () => {
    fc.assert(
      fc.property(codes, (code) => {
        const { text, link } = encodeInvite(code);
        const forms = [text, link, link.replace("mesh://", "collective://"), text.toUpperCase()];
        for (const form of forms) expect(parseInvite(` \n${form}\t`)).toEqual(code);
      }),
    );
  });

  it("has the form that people learn to know", () => {
    const secret = "abcdefghijklmnopqrstuvwxyz234567";
    const signed = `hm1-alice-qmyy6f7hnauunmsw4yd2cetuee-abcdefghij-${secret}-d6`;
    expect(encodeInvite(example)).toEqual({
      text: `${signed}@alice.example:9001`,
      link: `mesh://join/alice.example:9001#${signed}`,
    });
  });

  it("notices every change of one character", () => {
    const alphabet = [...BASE32, ..."0189-@:.,[]_ "];
    fc.assert(
      fc.property(codes, fc.nat(), fc.constantFrom(...alphabet), (code, at, replacement) => {
        const { text } = encodeInvite(code);
        const index = at % text.length;
        fc.pre(text[index] !== replacement);
        const changed = text.slice(0, index) + replacement + text.slice(index + 1);
        // A space at an end is white space around a shorter text.
        expect(() => parseInvite(changed)).toThrow(invalid);
      }),
      { numRuns: 2000 },
    );
  });

  it("notices every swap of two neighbours", () => {
    fc.assert(
      fc.property(codes, (code) => {
        for (const text of Object.values(encodeInvite(code))) {
          for (let i = 0; i + 1 < text.length; i++) {
            const [first = "", second = ""] = [text[i], text[i + 1]];
            if (first === second) continue;
            const swapped = text.slice(0, i) + second + first + text.slice(i + 2);
            expect(() => parseInvite(swapped)).toThrow(invalid);
          }
        }
      }),
      { numRuns: 20 },
    );
  });

  it.each([
    ["", "it is empty"],
    ["hello", "an invite starts with hm1-"],
    ["hm2-alice-x", "another version of the program"],
    ["hm1-alice", "a part of it is missing"],
    [encodeInvite(example).text.slice(0, 70), "a part of it is missing"],
    [encodeInvite(example).text.replace("67-", "6-"), "the secret has 31 of 32 characters"],
    [encodeInvite(example).text.replace("-abcdefghijk", "-abcdefghij0"), "other than a-z and 2-7"],
    [encodeInvite(example).text.replace("-abcdefghijk", "-abcdefghijj"), "a character is mistyped"],
    [encodeInvite(example).text.split("@")[0] ?? "", "the address after the @ is missing"],
    ["x".repeat(2000), "too long"],
    [`mesh://join/evil:1#${encodeInvite(example).text}`, "two different addresses"],
  ])("says what is wrong with %j", (text, reason) => {
    expect(() => parseInvite(text)).toThrow(
      expect.objectContaining({
        code: "MESH_INVITE_INVALID",
        message: expect.stringContaining(reason),
      }),
    );
  });

  it("never repeats the code in an error", () => {
    fc.assert(
      fc.property(codes, fc.nat(), (code, at) => {
        const { text } = encodeInvite(code);
        const index = at % text.length;
        const changed = `${text.slice(0, index)}~${text.slice(index + 1)}`;
        try {
          parseInvite(changed);
          expect.unreachable();
        } catch (error) {
          const { message, hint } = error as { message: string; hint: string };
          expect(message + hint).not.toContain(code.secret.slice(0, 8));
        }
      }),
    );
  });

  it("cannot be made of parts that do not fit", () => {
    const wrong: Partial<InviteCode>[] = [
      { memberId: "A" as MemberId },
      { caPin: "short" },
      { secret: "1".repeat(32) },
      { endpoints: [{ host: "a b", port: 1 }] },
      { endpoints: [{ host: "a", port: 0 }] },
      { endpoints: [{ host: "a", port: 70_000 }] },
      { endpoints: Array(9).fill({ host: "a", port: 1 }) },
    ];
    for (const part of wrong) {
      expect(() => encodeInvite({ ...example, ...part })).toThrow(
        expect.objectContaining({ code: "MESH_BAD_REQUEST" }),
      );
    }
  });

  it("has an id that may be shown", () => {
    expect(inviteIdOf(encodeInvite(example).link)).toBe(example.id);
    expect(inviteIdOf(" ABCDEFGHIJ ")).toBe(example.id);
    expect(() => inviteIdOf("nothing")).toThrow(invalid);
  });
});

describe("the secret of an invite", () => {
  it("has 160 bits and is compared by its hash", () => {
    const secret = newInviteSecret({ bytes: (n) => new Uint8Array(n).fill(3), float: () => 0 });
    expect(secret).toMatch(/^[a-z2-7]{32}$/);
    const hash = hashInviteSecret(secret);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(inviteSecretMatches(secret.toUpperCase(), hash)).toBe(true);
    expect(inviteSecretMatches(`${secret}a`, hash)).toBe(false);
    expect(inviteSecretMatches("", hash)).toBe(false);
    expect(inviteSecretMatches(secret, "")).toBe(false);
  });
});
