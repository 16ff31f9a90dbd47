/**
 * One process of a pair. The parent says which role it has: `serve` listens and tells its port;
 * `run` dials that port, does one case for warming up and once for the record, and tells the
 * result.
 */
import { openBareSide, serveBare } from "./bare-side.mjs";
import { openLinkSide, serveLink } from "./link-side.mjs";

const WARM_UP_SHARE = 0.15;

process.once("message", async ({ role, contender, credentials, port, method, args }) => {
  if (role === "serve") {
    process.send(await (contender === "link" ? serveLink : serveBare)(credentials));
    return;
  }
  const open = contender === "link" ? openLinkSide : openBareSide;
  const side = await open(credentials, port);
  const [bytes, count] = args;
  await side[method](bytes, Math.ceil(count * WARM_UP_SHARE));
  const before = process.cpuUsage();
  const result = await side[method](bytes, count);
  const cpu = process.cpuUsage(before);
  await side.close();
  process.send({ result, cpuSeconds: (cpu.user + cpu.system) / 1e6 });
});

process.on("disconnect", () => process.exit(0));
