import { type LogFields, limits, silentLogger } from "@hearthmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { newApiKeyText, parseApiKey } from "./api-key-text.js";
import { ApiKeys } from "./api-keys.js";
import { ApiKeyLimiter } from "./api-keys-limiter.js";
import { Authority } from "./authority.js";
import { authorityFixture, DAY_MS } from "./testing/authority-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });
const HOME = "192.168.1.7";

describe("the text of a key", () => {
  it("comes back as it was made, and shows a mistyped character", async () => {
    const { random } = await authorityFixture();
    const made = newApiKeyText(random);
    expect(made.text).toMatch(/^hmk1-[a-z2-7]{10}-[a-z2-7]{32}-[a-z2-7]{2}$/);
    expect(parseApiKey(` ${made.text.toUpperCase()}\n`)).toEqual(made);
    const alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    fc.assert(
      fc.property(
        fc.integer({ min: 5, max: made.text.length - 1 }),
        fc.constantFrom(...alphabet),
        (at, character) => {
          fc.pre(made.text[at] !== character && made.text[at] !== "-");
          const wrong = made.text.slice(0, at) + character + made.text.slice(at + 1);
          expect(() => parseApiKey(wrong)).toThrow(code("MESH_KEY_INVALID"));
        },
      ),
    );
  });

  it("is nothing else, and no message repeats it", () => {
    fc.assert(
      fc.property(fc.string({ minLength: 3, maxLength: 300 }), (text) => {
        try {
          parseApiKey(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "MESH_KEY_INVALID" });
          if (text.trim().length > 12) expect((error as Error).message).not.toContain(text);
        }
      }),
    );
  });
});

describe("keys", () => {
  it("are made, used and revoked; the store has no secret, the trail every change", async () => {
    const { authority, operator, store } = await authorityFixture();
    const by = { principal: operator };
    expect(authority.apiKeys.list()).toEqual([]);
    const made = await authority.apiKeys.create(by, { scopes: ["read", "register"], name: "lab" });
    expect(made.record).toMatchObject({ scopes: ["register", "read"], allowIps: [], name: "lab" });
    expect(made.record.notAfterMs - made.record.createdAtMs).toBe(90 * DAY_MS);
    expect(authority.apiKeys.verify(made.text, HOME)).toEqual(made.record);
    const secret = made.text.split("-")[2] ?? "";
    const all = await store.range({ prefix: "" });
    const texts = all.entries.map(({ value }) => Buffer.from(value).toString());
    expect(texts.join()).not.toContain(secret);
    const revoked = await authority.apiKeys.revoke({ principal: operator, keyId: "other" }, "lab");
    expect(() => authority.apiKeys.verify(made.text, HOME)).toThrow(code("MESH_KEY_INVALID"));
    expect(await authority.apiKeys.revoke(by, made.record.id)).toEqual(revoked);
    await expect(authority.apiKeys.revoke(by, "nothing")).rejects.toThrow(code("MESH_NOT_FOUND"));
    const { records } = await authority.auditTrail({ after: 2 });
    expect(records).toMatchObject([
      { action: "key.create", subject: `key/${made.record.id}`, by: operator.spiffeId },
      { action: "key.revoke", subject: `key/${made.record.id}`, by: "key/other" },
    ]);
  });

  it("end, and hold only for their networks", async () => {
    const { authority, operator, clock } = await authorityFixture();
    const allowIps = ["192.168.1.0/24", "fd00::/64"];
    const request = { scopes: ["read"] as const, validityMs: DAY_MS, allowIps };
    const { text } = await authority.apiKeys.create({ principal: operator }, request);
    for (const address of [HOME, `::ffff:${HOME}`, "fd00::9", "fd00::9%eth0"]) {
      expect(() => authority.apiKeys.verify(text, address)).not.toThrow();
    }
    for (const address of ["192.168.2.7", "fd01::9", "", "nonsense"]) {
      expect(() => authority.apiKeys.verify(text, address)).toThrow(code("MESH_ADDRESS_REFUSED"));
    }
    clock.advance(DAY_MS + 1);
    expect(() => authority.apiKeys.verify(text, HOME)).toThrow(/expired/);
  });

  it("are refused when they could mean anything", async () => {
    const { authority, operator } = await authorityFixture();
    const make = (request: object) =>
      authority.apiKeys.create({ principal: operator }, { scopes: ["read"], ...request });
    for (const request of [
      { scopes: [] },
      { scopes: ["root"] },
      { validityMs: 0 },
      { validityMs: Number.NaN },
      { validityMs: limits.API_KEY_VALIDITY_MS_MAX + 1 },
      { name: "a\nb" },
      { allowIps: ["10.0.0.0/33"] },
      { allowIps: ["10.0.0"] },
      { allowIps: ["::ffff:10.0.0.0/100"] },
      { allowIps: ["0/0"] },
    ]) {
      await expect(make(request)).rejects.toThrow(code("MESH_BAD_REQUEST"));
    }
    expect(authority.apiKeys.list()).toEqual([]);
  });

  it("are seen by another coordinator of the same store, and after a new start", async () => {
    const fixture = await authorityFixture();
    const other = await fixture.reopen();
    const by = { principal: fixture.operator };
    const { text, record } = await fixture.authority.apiKeys.create(by, { scopes: ["read"] });
    await expect.poll(() => other.apiKeys.list()).toHaveLength(1);
    expect(other.apiKeys.verify(text, HOME)).toEqual(record);
    await other.apiKeys.revoke(by, record.id);
    await expect
      .poll(() => fixture.authority.apiKeys.list()[0]?.revokedAtMs)
      .toBe(fixture.clock.nowMs());
    expect((await fixture.reopen()).apiKeys.list()).toHaveLength(1);
  });

  it("note their use once a minute", async () => {
    const { authority, operator, clock, store } = await authorityFixture();
    const by = { principal: operator };
    const { text, record } = await authority.apiKeys.create(by, { scopes: ["read"] });
    expect(authority.apiKeys.lastUsedAtMs(record.id)).toBeUndefined();
    const before = (await store.status()).revision;
    for (let use = 0; use < 50; use++) authority.apiKeys.verify(text, HOME);
    await expect.poll(() => authority.apiKeys.lastUsedAtMs(record.id)).toBe(clock.nowMs());
    expect((await store.status()).revision).toBe(before + 1);
    clock.advance(60_000);
    authority.apiKeys.verify(text, HOME);
    await expect.poll(() => authority.apiKeys.lastUsedAtMs(record.id)).toBe(clock.nowMs());
  });
});

describe("a flood of wrong keys", () => {
  it("is not looked at after twenty, and locks out nobody at other addresses", async () => {
    const { authority, operator, clock } = await authorityFixture();
    const by = { principal: operator };
    const { text } = await authority.apiKeys.create(by, { scopes: ["register"] });
    const outcomes: string[] = [];
    for (let attempt = 0; attempt < 200; attempt++) {
      try {
        authority.apiKeys.verify("hmk1-wrong", "203.0.113.9");
      } catch (error) {
        outcomes.push((error as { code: string }).code);
      }
    }
    const looked = outcomes.filter((one) => one === "MESH_KEY_INVALID");
    expect(looked).toHaveLength(limits.API_KEY_FAILURES_PER_MINUTE_MAX);
    expect(outcomes.slice(20).every((one) => one === "MESH_LIMIT")).toBe(true);
    expect(() => authority.apiKeys.verify(text, "203.0.113.9")).toThrow(code("MESH_LIMIT"));
    expect(() => authority.apiKeys.verify(text, HOME)).not.toThrow();
    clock.advance(60_000);
    expect(() => authority.apiKeys.verify(text, "203.0.113.9")).not.toThrow();
  });

  it("from many addresses leaves those alone that were never wrong", () => {
    const limiter = new ApiKeyLimiter({ totalPerMinute: 50, addressesMax: 100 });
    for (let one = 0; one < 200; one++) {
      const address = `10.0.${one >> 8}.${one & 255}`;
      limiter.admit(address, 0);
      limiter.failed(address, 0);
    }
    expect(() => limiter.admit("192.0.2.1", 0)).not.toThrow();
    expect(() => limiter.admit("10.0.0.199", 0)).toThrow(code("MESH_LIMIT"));
    expect(() => limiter.admit("10.0.0.199", 60_000)).not.toThrow();
    for (let one = 0; one < 20; one++) limiter.failed(`2001:db8:0:1::${one}`, 0);
    expect(() => limiter.admit("2001:db8:0:1::ffff", 0)).toThrow(code("MESH_LIMIT"));
  });

  it("is told of once a minute in the log, without a key", async () => {
    const lines: (LogFields & { message: string })[] = [];
    const log = {
      ...silentLogger,
      warn: (message: string, fields?: LogFields) => lines.push({ message, ...fields }),
      child: () => log,
    };
    const { store, ca, clock, random } = await authorityFixture();
    const member = { memberId: "alice", trustDomain: "home.alice" };
    const authority = await Authority.open({ store, ca, clock, random, log, ...member });
    expect(authority.apiKeys).toBeInstanceOf(ApiKeys);
    const { text } = newApiKeyText(random);
    for (let one = 0; one < 500; one++) {
      expect(() => authority.apiKeys.verify(text, `10.1.${one >> 8}.${one & 255}`)).toThrow();
    }
    expect(lines).toHaveLength(1);
    clock.advance(60_000);
    expect(() => authority.apiKeys.verify(text, HOME)).toThrow();
    expect(lines).toMatchObject([{ count: 1 }, { count: 500, code: "MESH_KEY_INVALID" }]);
    expect(JSON.stringify(lines)).not.toContain(text.split("-")[2]);
    await authority.close();
  });
});
