/**
 * Loaded into a daemon before its own code (`node --import`): shifts the time of day by the
 * milliseconds that the file of `HEARTHMESH_LAB_CLOCK` holds, now or later, as when somebody sets
 * the machine's clock. The monotonic clock runs on.
 */
import { readFileSync } from "node:fs";

const POLL_MS = 50;
const path = process.env.HEARTHMESH_LAB_CLOCK;
const RealDate = Date;
let shiftMs = 0;

function readShift() {
  try {
    shiftMs = Number(readFileSync(path, "utf8")) || 0;
  } catch {
    // Nobody has set the clock yet.
  }
}

class ShiftedDate extends RealDate {
  constructor(...values) {
    if (values.length === 0) super(RealDate.now() + shiftMs);
    else super(...values);
  }

  static now() {
    return RealDate.now() + shiftMs;
  }
}

if (path !== undefined) {
  readShift();
  setInterval(readShift, POLL_MS).unref();
  globalThis.Date = ShiftedDate;
}
