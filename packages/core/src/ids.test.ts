import { describe, expect, it } from "vitest";
import {
  newFileId,
  newInviteId,
  parseFileId,
  parseGlobalId,
  parseInviteId,
  parseMemberId,
  parseTrustDomain,
} from "./ids.js";
import { systemRandom } from "./system.js";

describe("identifiers", () => {
  it("accepts what guides show", () => {
    expect(parseGlobalId("yourname@homelab.collective.local")).toBe(
      "yourname@homelab.collective.local",
    );
    expect(parseTrustDomain("home.alice")).toBe("home.alice");
    expect(parseMemberId("alice")).toBe("alice");
  });

  it("refuses what could mean something else elsewhere", () => {
    for (const text of ["", "a@b@c", "../x@home.alice", "A@home.alice", "a b@home.alice"]) {
      expect(() => parseGlobalId(text), text).toThrowError(/not a valid identity/);
    }
    for (const text of ["alice", "home..alice", "-home.alice", "home.alice/"]) {
      expect(() => parseTrustDomain(text), text).toThrowError(/not a valid domain/);
    }
  });

  it("makes file ids that are ordered by time", () => {
    const random = systemRandom();
    const early = newFileId(1_700_000_000_000, random);
    const late = newFileId(1_700_000_000_001, random);
    expect(early < late).toBe(true);
    expect(parseFileId(early)).toBe(early);
    expect(newFileId(1, random)).not.toBe(newFileId(1, random));
  });

  it("makes invite ids of the form that is parsed", () => {
    const id = newInviteId(systemRandom());
    expect(parseInviteId(id)).toBe(id);
  });
});
