/**
 * Files and invites on each engine of the store, with the same commands: `mesh up --store ENGINE`
 * is all that differs. The coordinator is killed in between.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { whyNoEtcd } from "@hearthmesh/store/testing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePortBase } from "../../scripts/free-ports.mjs";
import { MeshProcesses, mesh, meshOk } from "../../scripts/mesh-processes.mjs";

const missing = whyNoEtcd();
const sha = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");

describe.each(["sqlite", "etcd"] as const)("a member on %s", (store) => {
  const isMissing = store === "etcd" && missing !== undefined;
  const name = (text: string) => (isMissing ? `${text} (${missing})` : text);
  let folder: string;
  let member: MeshProcesses;
  let operator = "";

  beforeAll(async () => {
    if (isMissing) return;
    folder = mkdtempSync(join(tmpdir(), `hearthmesh-engine-${store}-`));
    member = await MeshProcesses.start({ folder, store, storageNodes: 1 });
    operator = member.coordinator.home;
  });

  afterAll(async () => {
    await member?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  it.skipIf(isMissing)(
    name("keeps invites and files over a crash of its coordinator"),
    async () => {
      const generate = ["invite", "generate", "--grant", "/shared:read+write", "--json"];
      const friend = join(folder, "friend");
      const { code } = JSON.parse(await meshOk(operator, generate)) as { code: string };
      const unused = JSON.parse(await meshOk(operator, generate)) as { code: string };
      await meshOk(operator, ["mkdir", "/shared"]);
      mkdirSync(friend);
      await meshOk(friend, ["identity", "init", "--global-id", "friend@demo.example"]);
      await meshOk(friend, ["invite", "redeem", "-"], { input: code });
      const [local, out] = [join(folder, "in"), join(folder, "out")];
      writeFileSync(local, randomBytes(2_500_000));
      await meshOk(friend, ["write", "/shared/large", local]);
      await meshOk(friend, ["write", "/shared/note"], { input: "hello" });

      await member.coordinator.kill("SIGKILL");
      member.coordinator.start();
      await member.coordinator.ready();
      await member.until((status) => status.totals.online >= 1, "the storage node");

      await meshOk(friend, ["read", "/shared/large", "-o", out]);
      expect(sha(out)).toBe(sha(local));
      expect(await meshOk(friend, ["read", "/shared/note"])).toBe("hello");
      const again = await mesh(friend, ["invite", "redeem", "-"], { input: code });
      expect(again.code).toBe(0);
      const other = join(folder, "other");
      mkdirSync(other);
      await meshOk(other, ["identity", "init", "--global-id", "other@demo.example"]);
      const late = await mesh(other, ["invite", "redeem", "-"], { input: code });
      expect(late.stderr).toContain("MESH_INVITE_USED");
      await meshOk(other, ["invite", "redeem", "-"], { input: unused.code });
      expect(await meshOk(other, ["read", "/shared/note"])).toBe("hello");
    },
  );

  it.skipIf(isMissing)(name("does not start on the other engine and seem empty"), async () => {
    const wanted = store === "sqlite" ? "etcd" : "sqlite";
    await member.coordinator.kill("SIGTERM");
    const portBase = String(await freePortBase(1));
    const refused = await mesh(operator, ["up", "--store", wanted, "--port-base", portBase]);
    expect(refused.stderr).toContain("MESH_CONFIG_INVALID");
    expect(refused.stderr).toContain(`mesh store migrate --from ${store} --to ${wanted}`);
    member.coordinator.start();
    await member.coordinator.ready();
  });
});
