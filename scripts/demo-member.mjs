/**
 * One member: the main job end to end, with four real processes on loopback. `--keep` leaves them
 * running and says how to use them.
 */
import { mkdirSync, mkdtempSync, readdirSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { detail, fail, runDemo, step } from "./demo-run.mjs";
import { say } from "./lib.mjs";
import { MeshProcesses, mesh, meshOk } from "./mesh-processes.mjs";
import { hashFile, makeRealFile, makeRealTree } from "./real-data.mjs";

const FILE_BYTES = 300e6;
const TREE_FILES = 1000;
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-demo-"));
const outsider = join(folder, "outsider");
const inputs = join(folder, "inputs");
const outputs = join(folder, "outputs");
for (const path of [outsider, inputs, outputs]) mkdirSync(path);

async function timed(work) {
  const fromMs = performance.now();
  await work();
  return (performance.now() - fromMs) / 1000;
}

async function joinAsOutsider(member) {
  step("an outsider makes an identity and redeems an invite");
  await meshOk(outsider, ["identity", "init", "--global-id", "visitor@demo.example"]);
  const generate = [
    "invite",
    "generate",
    "--grant",
    "/shared:read+write",
    "--grant",
    "/media:read",
  ];
  const invite = JSON.parse(await meshOk(member.coordinator.home, [...generate, "--json"]));
  await meshOk(outsider, ["invite", "redeem", "-"], { input: invite.code });
  const again = await mesh(outsider, ["invite", "redeem", "-"], { input: invite.code });
  detail(`${again.code === 0 ? "the same key may repeat it" : again.stderr.split("\n")[0]}`);
  await meshOk(member.coordinator.home, ["mkdir", "/shared"]);
  await meshOk(member.coordinator.home, ["mkdir", "/media"]);
  const refused = await mesh(outsider, ["mkdir", "/media/mine"]);
  if (refused.code !== 4) fail(`writing to /media ended with ${refused.code}: ${refused.stderr}`);
  step(`the outsider may not write to /media: ${refused.stderr.split("\n")[0]}`);
}

/** Kills a storage node once a third of the file's chunks are stored somewhere. */
async function killInTheMiddle(member, victim) {
  const chunks = (status) =>
    status.local_nodes.reduce((sum, node) => sum + (node.chunk_count ?? 0), 0);
  const before = chunks(await member.status());
  // Reports come every few seconds, so a busy disk is looked at directly.
  while (chunks(await member.status()) - before < 30 && diskBytes(victim) < FILE_BYTES / 4) {
    await sleep(20);
  }
  await victim.kill("SIGKILL");
  step(
    `killed ${victim.name} (SIGKILL) with ${Math.round(diskBytes(victim) / 1e6)} MB on its disk`,
  );
}

function diskBytes(node) {
  const chunks = join(node.home, "chunks");
  let total = 0;
  for (const name of readdirSync(chunks, { recursive: true })) {
    try {
      total += statSync(join(chunks, name)).size;
    } catch {
      // Renamed or removed in between.
    }
  }
  return total;
}

async function main(member) {
  await joinAsOutsider(member);
  step(`making ${FILE_BYTES / 1e6} MB and ${TREE_FILES} small files of real bytes`);
  const bigHash = await makeRealFile(join(inputs, "big"), FILE_BYTES);
  const treeHashes = await makeRealTree(join(inputs, "tree"), TREE_FILES);

  const victim = member.nodes[1];
  const killed = sleep(1).then(() => killInTheMiddle(member, victim));
  step("writing the big file");
  const writeSeconds = await timed(() =>
    meshOk(outsider, ["write", "/shared/big", join(inputs, "big")]),
  );
  await killed;
  step("writing the tree while the node is away");
  const treeSeconds = await timed(() =>
    meshOk(outsider, ["write", "-r", "/shared/tree", join(inputs, "tree")]),
  );

  step("reading everything back");
  const readSeconds = await timed(() =>
    meshOk(outsider, ["read", "/shared/big", "-o", join(outputs, "big")]),
  );
  if ((await hashFile(join(outputs, "big"))) !== bigHash) fail("the big file differs");
  const treeReadSeconds = await timed(() =>
    meshOk(outsider, ["read", "-r", "/shared/tree", "-o", join(outputs, "tree")]),
  );
  for (const [name, hash] of treeHashes) {
    if ((await hashFile(join(outputs, "tree", name))) !== hash) fail(`${name} differs`);
  }
  step(`all ${TREE_FILES + 1} files have the right SHA-256`);

  step(`starting ${victim.name} again and waiting for its copies`);
  victim.start();
  const repairSeconds = await timed(() => untilRepaired(member));
  return { writeSeconds, treeSeconds, readSeconds, treeReadSeconds, repairSeconds };
}

/** Every node has as many chunks as the others: with three nodes and three copies, all of them. */
async function untilRepaired(member) {
  await member.until(
    (status) => {
      const counts = status.local_nodes.map((node) => node.chunk_count);
      return (
        status.totals.online === member.nodes.length &&
        status.replication.repairQueue === 0 &&
        counts.every((count) => count !== null && count > 0 && count === counts[0])
      );
    },
    "every chunk to have its replicas",
    120_000,
  );
}

function report(status, seconds) {
  const perSecond = (amount, time) => (amount / time).toFixed(0);
  const fileWrite = perSecond(FILE_BYTES / 1e6, seconds.writeSeconds);
  const fileRead = perSecond(FILE_BYTES / 1e6, seconds.readSeconds);
  const treeWrite = perSecond(TREE_FILES, seconds.treeSeconds);
  const treeRead = perSecond(TREE_FILES, seconds.treeReadSeconds);
  const repair = seconds.repairSeconds.toFixed(1);
  say("\n  result");
  say(`    big file, 3 copies   write ${fileWrite} MB/s, a node killed in the middle`);
  say(`                         read  ${fileRead} MB/s, that node away`);
  say(`    small files          write ${treeWrite} files/s, read ${treeRead} files/s`);
  say(`    repair               ${repair} s from the node's start to full copies`);
  for (const node of status.local_nodes) {
    const usedMegabytes = Math.round(node.used_capacity / 1e6);
    say(`    ${node.name.padEnd(20)} ${node.chunk_count} chunks, ${usedMegabytes} MB`);
  }
}

function explainKeep(member) {
  say(`\n  It is still running. Page: ${member.coordinator.httpUrl}/`);
  say("  As the outsider:");
  say(`    MESH_HOME=${outsider} node packages/cli/bin/mesh.js ls -l /shared`);
  say("  As the operator:");
  say(`    MESH_HOME=${member.coordinator.home} node packages/cli/bin/mesh.js status`);
  say(
    `  To stop: kill ${member.processes.map((process) => process.pid).join(" ")}; rm -r ${folder}`,
  );
}

await runDemo({
  folder,
  explainKeep,
  processes: (member) => member.processes,
  start() {
    step("starting a coordinator and three storage nodes");
    return MeshProcesses.start({ folder });
  },
  async show(member) {
    const seconds = await main(member);
    report(await member.status(), seconds);
  },
});
