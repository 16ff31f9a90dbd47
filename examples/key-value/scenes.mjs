/** What the examples show, each with a member of its own. */

/** @typedef {Parameters<typeof import("./stage.mjs").playScene>[0]} Scene */
/** @typedef {Parameters<Scene["play"]>[0]} Stage */

function mustBe(found, wanted) {
  if (found !== wanted) throw new Error(`found ${found} instead of ${wanted}`);
}

/** @param {Stage} stage */
async function counter(stage) {
  const workers = ["alpha", "beta", "gamma"].map((name) => stage.start(name, "counter"));
  await Promise.all(workers.map((worker) => worker.ends()));
  mustBe(await stage.mesh("kv", "get", "example/counter"), "60");
}

/** @param {Stage} stage */
async function nightly(stage) {
  const alpha = stage.start("alpha", "nightly");
  await alpha.says("[alpha] works");
  const beta = stage.start("beta", "nightly");
  await alpha.ends();
  await beta.ends();
  mustBe(await stage.mesh("kv", "get", "example/report"), "made by beta");
  mustBe(await stage.mesh("lock", "list"), "No lock is held.");
}

/** @param {Stage} stage */
async function settings(stage) {
  await stage.mesh("kv", "put", "example/settings/colour", "red");
  const alpha = stage.start("alpha", "settings");
  await alpha.says("[alpha] colour=red");
  await stage.mesh("kv", "put", "example/settings/size", "3");
  await alpha.says("[alpha] colour=red size=3");
  await stage.mesh("kv", "del", "example/settings/colour");
  await alpha.says("[alpha] size=3");
  await alpha.ends("SIGTERM");
}

/** @type {Scene[]} */
export const scenes = [
  { name: "counter", play: counter },
  { name: "nightly", play: nightly },
  { name: "settings", play: settings },
];
