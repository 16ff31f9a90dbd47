import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemRandom } from "@hearthmesh/core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ensureYggdrasilKey, isYggdrasilAddress, placesOf } from "./yggdrasil-key.js";

/** What yggdrasil 0.4.7 said of keys that it made. */
const KNOWN = [
  [
    "d44126b698941a7d8ac1c4663ee2200e7ec2b18ebc79bf59d96db90e5494645a",
    "200:577d:b292:ced7:cb04:ea7c:7733:823b",
    "300:577d:b292:ced7::/64",
  ],
  [
    "a03bdf4fd8ab35c29811d585dda07d629fe933bac53f5ff6344ea87eb5e7bcd2",
    "200:bf88:4160:4ea9:947a:cfdc:54f4:44bf",
    "300:bf88:4160:4ea9::/64",
  ],
] as const;

describe("a key of yggdrasil", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "yggdrasil-key-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it.each(KNOWN)("%s has its address and its subnet", (key, address, subnet) => {
    expect(placesOf(Buffer.from(key, "hex"))).toEqual({ address, subnet });
  });

  it("gives a shorter prefix to one with leading zeros", () => {
    const key = Buffer.concat([Buffer.from([0x00, 0x3f]), Buffer.alloc(30, 0xff)]);
    // Ten zeros lead it, so ten ones lead its inverse.
    expect(placesOf(key)).toEqual({ address: "20a::", subnet: "30a::/64" });
  });

  it("is made once, private, and read again", async () => {
    const path = join(folder, "secrets", "yggdrasil.key");
    const made = await ensureYggdrasilKey(path, systemRandom());
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(made.privateKey).toMatch(new RegExp(`^[0-9a-f]{64}${made.publicKey}$`));
    expect(await ensureYggdrasilKey(path, systemRandom())).toEqual(made);
  });

  it("is refused when its file is damaged, or open to others", async () => {
    const path = join(folder, "yggdrasil.key");
    const { privateKey } = await ensureYggdrasilKey(path, systemRandom());
    const last = privateKey.endsWith("0") ? "1" : "0";
    for (const text of ["", "nonsense", `${privateKey.slice(0, -1)}${last}`]) {
      writeFileSync(path, text);
      await expect(ensureYggdrasilKey(path, systemRandom())).rejects.toMatchObject({
        code: "MESH_STORE_CORRUPT",
      });
      expect(readFileSync(path, "utf8")).toBe(text);
    }
    rmSync(path);
    writeFileSync(path, privateKey, { mode: 0o644 });
    await expect(ensureYggdrasilKey(path, systemRandom())).rejects.toMatchObject({
      code: "MESH_HOME_UNSAFE",
    });
  });
});

describe("an address of yggdrasil", () => {
  it("is one of 200::/7", () => {
    for (const host of ["200:1::2", "3ff:1::2", "[200:1::2]", "0200:0001::0002", "2FF::1"]) {
      expect(isYggdrasilAddress(host)).toBe(true);
    }
    for (const host of ["2001:db8::1", "400::1", "1ff::1", "fe80::1", "10.0.0.2", "200", ""]) {
      expect(isYggdrasilAddress(host)).toBe(false);
    }
  });
});
