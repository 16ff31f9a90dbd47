/**
 * Loaded into a program with `node --import`: connections to the ports in TEST_BLOCKED_PORTS are
 * refused as a router would refuse them, and every port that is dialled is noted in TEST_DIALLED.
 */
import { appendFileSync } from "node:fs";
import { Socket } from "node:net";

const blocked = new Set((process.env.TEST_BLOCKED_PORTS ?? "").split(",").map(Number));
const dialled = process.env.TEST_DIALLED;
const connect = Socket.prototype.connect;

Socket.prototype.connect = function (...args) {
  const [first] = Array.isArray(args[0]) ? args[0] : args;
  const port = Number(typeof first === "object" ? first.port : first);
  if (dialled !== undefined && port > 0) appendFileSync(dialled, `${port}\n`);
  if (!blocked.has(port)) return connect.apply(this, args);
  const error = Object.assign(new Error(`no way to port ${port}`), { code: "EHOSTUNREACH" });
  process.nextTick(() => this.destroy(error));
  return this;
};
