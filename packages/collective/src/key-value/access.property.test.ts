/** Whatever grants somebody has: nothing shows or touches a key that they do not cover. */
import type { Grant, Right } from "@hearthmesh/identity";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { keyValueFixture } from "./testing/key-value-fixture.js";

vi.setConfig({ testTimeout: 120_000 });

const bytes = (text: string) => new TextEncoder().encode(text);
/** Few names, so that grants and keys often meet. */
const part = fc.constantFrom("a", "a", "b", "a-");
const keyText = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
const ALL: Right[] = ["read", "write", "delete"];
const grant: fc.Arbitrary<Grant> = fc
  .record({
    path: fc.oneof(
      { weight: 3, arbitrary: fc.constant("/kv") },
      { weight: 6, arbitrary: keyText.map((key) => `/kv/${key}`) },
      { weight: 1, arbitrary: fc.constantFrom("/", "/shared", "/k", "/kv2", "/kv-a", "/a") },
    ),
    rights: fc.oneof(fc.constant(ALL), fc.subarray(ALL, { minLength: 1 })),
    effect: fc.constantFrom("allow", "allow", "deny"),
    notAfterMs: fc.constantFrom(undefined, undefined, undefined, 0, Date.UTC(2030, 0)),
  })
  .map(({ notAfterMs, ...rest }) =>
    notAfterMs === undefined ? (rest as Grant) : ({ ...rest, notAfterMs } as Grant),
  );

/** The rules again, in the simplest words: walk up from the key to /kv, the first word counts. */
function allows(grants: readonly Grant[], key: string, wanted: Right, nowMs: number): boolean {
  const parts = ["kv", ...key.split("/")];
  for (let length = parts.length; length >= 1; length--) {
    const path = `/${parts.slice(0, length).join("/")}`;
    const said = grants.filter(
      (one) =>
        one.path === path && one.rights.includes(wanted) && (one.notAfterMs ?? nowMs) >= nowMs,
    );
    if (said.length > 0) return said.every((one) => one.effect === "allow");
  }
  return false;
}

describe("grants on keys", () => {
  it("hold for list, get, put, delete, prefix, transaction and watch", async () => {
    const scenario = fc.record({
      grants: fc.array(grant, { maxLength: 6 }),
      keys: fc.uniqueArray(keyText, { minLength: 1, maxLength: 10 }),
      prefix: fc.constantFrom("", "a", "a/", "a/b", "a/b/", "a-", "b/"),
      limit: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(scenario, async ({ grants, keys, prefix, limit }) => {
        const f = await keyValueFixture("memory", {
          policy: { check: () => undefined, grantsOf: () => grants },
        });
        const { service, operator, clock } = f;
        const ann = f.person("ann", []);
        const may = (key: string, wanted: Right) => allows(grants, key, wanted, clock.nowMs());
        const puts = keys.map((key) => ({ type: "put", key, value: bytes(key) }) as const);
        const { revision } = await service.transact(operator, { success: puts });
        const inOrder = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
        const visible = inOrder.filter((key) => key.startsWith(prefix) && may(key, "read"));

        const listed: string[] = [];
        for (let after: string | undefined, more = true; more; after = listed.at(-1)) {
          const options = after === undefined ? { limit } : { limit, after };
          const page = await service.list(ann, prefix, options).catch(onlyForbidden);
          listed.push(...(page?.entries.map((entry) => entry.key) ?? []));
          more = page?.more ?? false;
        }
        expect(listed).toEqual(visible);

        const watch = await service
          .watch(ann, { prefix }, { fromRevision: revision })
          .catch(onlyForbidden);
        if (visible.length > 0) {
          expect(watch).toBeDefined();
          for await (const { events } of watch?.changes ?? []) {
            const names = events.map((event) => event.type === "put" && event.entry.key);
            expect([...names].sort()).toEqual([...visible].sort());
            break;
          }
        }
        watch?.close();

        for (const key of keys) {
          const done = async (work: Promise<unknown>) =>
            (await work.then(() => true).catch(onlyForbidden)) === true;
          expect(await done(service.get(ann, key))).toBe(may(key, "read"));
          const compare = { key, target: "version", is: ">", value: 0 } as const;
          const asked = service.transact(ann, { compare: [compare], success: [] });
          expect(await done(asked)).toBe(may(key, "read"));
          const unseen = service.transact(ann, { success: [], failure: [{ type: "delete", key }] });
          expect(await done(unseen)).toBe(may(key, "delete"));
          expect(await done(service.put(ann, key, bytes("new")))).toBe(may(key, "write"));
        }

        if (prefix === "" || prefix.endsWith("/")) {
          const deleted = await service.deletePrefix(ann, prefix).catch(onlyForbidden);
          const left = (await service.list(operator, "")).entries.map((entry) => entry.key);
          const gone = inOrder.filter((key) => !left.includes(key));
          expect(gone.every((key) => key.startsWith(prefix) && may(key, "delete"))).toBe(true);
          expect(gone).toHaveLength(deleted?.deleted ?? 0);
        }
        await f.dispose();
      }),
      { numRuns: 300 },
    );
  });

  it("are not those on files: `/` opens no key, and says nothing against one", async () => {
    const f = await keyValueFixture("memory");
    const files = f.person("ann", ["/:all", "/shared:all"]);
    const both = f.person("bob", ["!/:all", "/kv/app:read"]);
    await f.service.put(f.operator, "app/a", bytes("1"));
    for (const work of [
      f.service.get(files, "app/a"),
      f.service.put(files, "app/a", bytes("2")),
      f.service.list(files, ""),
      f.service.watch(files, { prefix: "" }),
      f.service.deletePrefix(files, ""),
      f.service.acquireLock(files, "x", { ttlMs: 1_000 }),
      f.service.listLocks(files, ""),
    ]) {
      await expect(work).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    }
    expect((await f.service.get(both, "app/a")).entry.key).toBe("app/a");
    await f.dispose();
  });

  it("that deny a part keep it out of lists, and from being deleted with the rest", async () => {
    const f = await keyValueFixture("memory");
    const ann = f.person("ann", ["/kv/app:all", "!/kv/app/secret:read+delete"]);
    for (const key of ["app/a", "app/secret", "app/secret/b", "app/z"]) {
      await f.service.put(f.operator, key, bytes("1"));
    }
    const { entries, more } = await f.service.list(ann, "");
    expect(entries.map((entry) => entry.key)).toEqual(["app/a", "app/z"]);
    expect(more).toBe(false);
    await expect(f.service.deletePrefix(ann, "app/")).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
    });
    const operation = { type: "deletePrefix", prefix: "app/" } as const;
    await expect(f.service.transact(ann, { success: [operation] })).rejects.toMatchObject({
      code: "MESH_FORBIDDEN",
    });
    expect((await f.service.list(f.operator, "")).entries).toHaveLength(4);
    await f.dispose();
  });

  it("end on time", async () => {
    const f = await keyValueFixture("memory");
    await f.service.put(f.operator, "a", bytes("1"));
    const ann = f.person("ann", ["/kv:all until 2026-11-21T01:00:00Z"]);
    await f.service.get(ann, "a");
    await f.advance(3_600_001);
    await expect(f.service.get(ann, "a")).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    await expect(f.service.list(ann, "")).rejects.toMatchObject({ code: "MESH_FORBIDDEN" });
    await f.dispose();
  });
});

/** Undefined for `MESH_FORBIDDEN`; anything else is a mistake. */
function onlyForbidden(error: unknown): undefined {
  expect(error).toMatchObject({ code: "MESH_FORBIDDEN" });
}
