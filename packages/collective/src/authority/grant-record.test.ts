import { limits, type NodeId } from "@hearthmesh/core";
import { parseGrant } from "@hearthmesh/identity";
import { describe, expect, it } from "vitest";
import {
  checkBookGrant,
  checkBookRoom,
  type GrantRecord,
  longEnded,
  parseGrantEnd,
} from "./grant-record.js";

const NOW_MS = Date.UTC(2026, 10, 21);
const DAY_MS = 86_400_000;

function record(id: number, change: Partial<GrantRecord> = {}): GrantRecord {
  return {
    v: 1,
    id: `${id}`,
    subject: `person-${id}@garage.bob`,
    grant: parseGrant("/a:read"),
    createdBy: "spiffe://home.alice/coordinator/alice-hub",
    createdAtMs: NOW_MS,
    ...change,
  };
}
const many = (count: number, change: (at: number) => Partial<GrantRecord> = () => ({})) =>
  Array.from({ length: count }, (_, at) => record(at, change(at)));
const full = expect.objectContaining({ code: "MESH_LIMIT" });

describe("the book of grants", () => {
  it("has a limit in all and one for each subject", () => {
    expect(() => checkBookRoom(many(limits.GRANTS_MAX - 1), record(-1))).not.toThrow();
    expect(() => checkBookRoom(many(limits.GRANTS_MAX), record(-1))).toThrow(full);
    const subject = "carol@office.carol";
    const ofCarol = many(limits.GRANTS_PER_SUBJECT_MAX, () => ({ subject }));
    expect(() => checkBookRoom(ofCarol, record(-1, { subject }))).toThrow(full);
    expect(() => checkBookRoom(ofCarol, record(-1))).not.toThrow();
  });

  it("keeps room for the operator, whatever people pass on", () => {
    const subject = "carol@office.carol";
    const passed = many(limits.GRANTS_PASSED_ON_MAX, (at) => ({
      subject,
      givenBy: `giver-${at}` as NodeId,
    }));
    const givenBy = "another" as NodeId;
    expect(() => checkBookRoom(passed, record(-1, { givenBy }))).toThrow(full);
    expect(() => checkBookRoom(passed, record(-1, { subject }))).not.toThrow();
    const ofOne = many(limits.GRANTS_GIVEN_MAX, () => ({ givenBy }));
    expect(() => checkBookRoom(ofOne, record(-1, { givenBy }))).toThrow(full);
  });

  it("forgets what ended a month ago, a few at a time", () => {
    const ended = (days: number) => ({
      grant: { ...parseGrant("/a:read"), notAfterMs: NOW_MS - days * DAY_MS },
    });
    const kept = [record(1), record(2, ended(29)), record(3, ended(31))];
    expect(longEnded(kept, NOW_MS).map(({ id }) => id)).toEqual(["3"]);
    expect(
      longEnded(
        many(100, () => ended(40)),
        NOW_MS,
      ),
    ).toHaveLength(32);
  });
});

describe("the end of a grant", () => {
  it("is a time from now or a date", () => {
    expect(parseGrantEnd("7d", NOW_MS)).toBe(NOW_MS + 7 * DAY_MS);
    expect(parseGrantEnd("2027-01-31", NOW_MS)).toBe(Date.UTC(2027, 0, 31));
    expect(parseGrantEnd("2027-01-31T12:00:00+02:00", NOW_MS)).toBe(Date.UTC(2027, 0, 31, 10));
    for (const text of ["", "soon", "2027-13-99", "7", "-1d"]) {
      expect(() => parseGrantEnd(text, NOW_MS), text).toThrow(/not a d/);
    }
  });

  it("lies ahead", () => {
    const grant = { ...parseGrant("/a:read"), notAfterMs: NOW_MS };
    expect(() => checkBookGrant(grant, NOW_MS)).toThrow(/would have ended/);
    const later = { ...grant, notAfterMs: NOW_MS + 1 };
    expect(checkBookGrant(later, NOW_MS)).toEqual(later);
  });
});
