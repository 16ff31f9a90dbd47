/**
 * Three homelabs as twelve real processes on loopback: they become peers, a guest of Alice reads
 * Bob's film as far as Bob allows it, and is cut off when the peering ends. `--keep` leaves the
 * processes running and says how to use them.
 */
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { detail, fail, runDemo, step } from "./demo-run.mjs";
import { FederationProcesses } from "./federation-processes.mjs";
import { say } from "./lib.mjs";
import { mesh, meshOk } from "./mesh-processes.mjs";
import { hashFile, makeRealFile } from "./real-data.mjs";

const FILM_BYTES = 64e6;
const folder = mkdtempSync(join(tmpdir(), "hearthmesh-federation-"));
const guest = join(folder, "guest");
mkdirSync(guest);

const homeOf = (federation, id) => federation.member(id).coordinator.home;

/** Each operator sees the same words, and would compare them on the telephone. */
async function becomePeers(federation, inviting, accepting) {
  const code = (await meshOk(homeOf(federation, inviting), ["peer", "invite", "--quiet"])).trim();
  const options = { input: code };
  await meshOk(homeOf(federation, accepting), ["peer", "accept", "-", "--json"], options);
  const [there, here] = await Promise.all([
    wordsOf(federation, inviting, accepting),
    wordsOf(federation, accepting, inviting),
  ]);
  if (there !== here) fail(`${inviting} sees "${there}" and ${accepting} sees "${here}"`);
  detail(`${inviting} and ${accepting}: ${here}`);
}

async function wordsOf(federation, id, other) {
  const { peers } = JSON.parse(await meshOk(homeOf(federation, id), ["peer", "list", "--json"]));
  const { domain } = federation.member(other);
  return peers.find(({ trustDomain }) => trustDomain === domain)?.words;
}

async function joinAlice(federation) {
  await meshOk(guest, ["identity", "init", "--global-id", "visitor@demo.example"]);
  const generate = ["invite", "generate", "--grant", "/shared:read+write", "--json"];
  const { code } = JSON.parse(await meshOk(homeOf(federation, "alice"), generate));
  await meshOk(guest, ["invite", "redeem", "-"], { input: code });
  await meshOk(guest, ["mkdir", "/shared"]);
  const welcome = "Welcome to the collective!\n";
  await meshOk(guest, ["write", "/shared/README.txt"], { input: welcome });
  if ((await meshOk(guest, ["read", "/shared/README.txt"])) !== welcome) fail("it reads otherwise");
}

/** The first line of the error with which the guest's read ends. */
async function refusedRead() {
  const answer = await mesh(guest, ["read", "/@bob/garage/film.mkv", "-o", join(guest, "no")]);
  if (answer.code === 0) fail("the guest could read Bob's film");
  return answer.stderr.split("\n")[0];
}

async function crossMembers(federation) {
  const bob = homeOf(federation, "bob");
  const film = join(folder, "film.mkv");
  const hash = await makeRealFile(film, FILM_BYTES);
  await meshOk(bob, ["mkdir", "/garage"]);
  await meshOk(bob, ["write", "/garage/film.mkv", film]);
  step(`Bob has a film of ${FILM_BYTES / 1e6} MB at /garage; peers may do nothing by themselves`);
  detail(await refusedRead());
  step("Bob grants it to everybody of home.alice: mesh grant add '*@home.alice' /garage:read");
  await meshOk(bob, ["grant", "add", "*@home.alice", "/garage:read"]);
  const fromMs = performance.now();
  const copy = join(guest, "film.mkv");
  await meshOk(guest, ["read", "/@bob/garage/film.mkv", "-o", copy]);
  const seconds = (performance.now() - fromMs) / 1000;
  if ((await hashFile(copy)) !== hash) fail("the film differs");
  const speed = (FILM_BYTES / 1e6 / seconds).toFixed(0);
  step(`Alice's guest has read /@bob/garage/film.mkv straight from Bob's nodes, ${speed} MB/s`);
  const written = await mesh(guest, ["write", "/@bob/garage/mine"], { input: "mine" });
  if (written.code === 0) fail("the guest could write at Bob's");
  detail(written.stderr.split("\n")[0]);
  const explain = ["grant", "explain", "*@home.alice", "/garage/mine", "write"];
  const why = await mesh(bob, explain);
  detail(`Bob asks why: ${why.stdout.split("\n")[0]}`);
  step("Bob ends the peering with Alice");
  await meshOk(bob, ["peer", "remove", "alice"]);
  detail(await refusedRead());
}

function residentMegabytes(process) {
  const [, kilobytes] =
    /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${process.pid}/status`, "utf8")) ?? [];
  return Math.round(Number(kilobytes) / 1000);
}

async function report(federation) {
  say("\n  result");
  for (const member of federation.members) {
    const { totals, health } = await member.status();
    const megabytes = Math.round(totals.usedBytes / 1e6);
    const files = `${totals.files ?? 0} files, ${megabytes} MB with all copies`;
    say(`    ${member.id.padEnd(6)} ${health.status}, ${totals.online} nodes online, ${files}`);
  }
  if (process.platform !== "linux") return;
  const [coordinators, nodes] = [true, false].map((isCoordinator) =>
    federation.containers
      .filter((one) => one.isCoordinator === isCoordinator)
      .map(residentMegabytes),
  );
  say(`    memory: coordinators ${coordinators.join(", ")} MB, nodes ${nodes.join(", ")} MB`);
}

function explainKeep(federation) {
  say("\n  They are still running. As an operator, or as Alice's guest:");
  for (const { id } of federation.members) {
    say(`    MESH_HOME=${homeOf(federation, id)} ./bin/collective status`);
  }
  say(`    MESH_HOME=${guest} ./bin/collective ls /shared`);
  const pids = federation.containers.map(({ pid }) => pid).join(" ");
  say(`  To stop: kill ${pids}; rm -r ${folder}`);
}

await runDemo({
  folder,
  explainKeep,
  processes: (federation) => federation.containers,
  start() {
    step("starting three coordinators and nine storage nodes");
    return FederationProcesses.start({ folder });
  },
  async show(federation) {
    step("all are ready; each node joined with the invite that its coordinator left in a file");
    await joinAlice(federation);
    step("a guest has joined Alice, and has written and read a file");
    await becomePeers(federation, "alice", "bob");
    await becomePeers(federation, "alice", "carol");
    await becomePeers(federation, "bob", "carol");
    step("all three are peers; both operators of a pair see the same words");
    await crossMembers(federation);
    await report(federation);
  },
});
