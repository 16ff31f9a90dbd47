import { describe, expect, it } from "vitest";
import { auditKey } from "./authority-keys.js";
import { authorityFixture } from "./testing/authority-fixture.js";

async function trail(length: number) {
  const fixture = await authorityFixture();
  const by = { principal: fixture.operator };
  for (let made = await fixture.authority.auditLength(); made < length; made++) {
    await fixture.authority.apiKeys.create(by, { scopes: ["read"] });
  }
  return fixture;
}

describe("the whole audit trail", () => {
  it("is sound as the authority wrote it", async () => {
    const { authority } = await trail(9);
    expect(await authority.verifyAudit()).toEqual({ ok: true, records: 9, first: 1 });
  });

  it("shows a record that was changed, at the one that does not follow from it", async () => {
    for (const sequence of [1, 4, 8]) {
      const { authority, store } = await trail(9);
      const key = auditKey(sequence);
      const text = Buffer.from((await store.get(key))!.value).toString();
      const value = Buffer.from(text.replace(/"atMs":\d/, '"atMs":2'));
      await store.transact({ success: [{ type: "put", key, value }] });
      const verdict = await authority.verifyAudit();
      expect(verdict).toMatchObject({ ok: false, brokenAt: sequence + 1 });
    }
  });

  it("shows a record that was taken out, also the last, and one that is not readable", async () => {
    for (const sequence of [1, 5, 9]) {
      const { authority, store } = await trail(9);
      await store.transact({ success: [{ type: "delete", key: auditKey(sequence) }] });
      expect(await authority.verifyAudit()).toMatchObject({ ok: false, brokenAt: sequence });
    }
    const { authority, store } = await trail(9);
    const value = Buffer.from("x");
    await store.transact({ success: [{ type: "put", key: auditKey(6), value }] });
    expect(await authority.verifyAudit()).toMatchObject({ ok: false, brokenAt: 6 });
  });

  it("shows that the last record was changed", async () => {
    const { authority, store } = await trail(5);
    const key = auditKey(5);
    const text = Buffer.from((await store.get(key))!.value).toString();
    const value = Buffer.from(text.replace("key.create", "key.revoke"));
    await store.transact({ success: [{ type: "put", key, value }] });
    expect(await authority.verifyAudit()).toMatchObject({ ok: false, brokenAt: 5 });
  });
});
