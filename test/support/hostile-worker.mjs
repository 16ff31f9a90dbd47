/**
 * The process of an engine that has been taken over: it computes as the product does, and what it
 * sends on the tensor port is false. Arguments: the product's worker, and a file with one word of
 * `DEEDS`, which is read anew with each connection.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

const [entry, deedFile] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(path).href);
const { PeerConnection } = await load(join(dirname(entry), "peer-connection.js"));

const HEADER_BYTES = 20;
const HELLO = 1;
const SUMS = new Set([2, 3, 4]);
const STEP = 5;
const RESULT = 6;
const FAULT = 7;
/** It behaves so long: a lie in the middle of an answer is harder than one at once. */
const HONEST_FRAMES = 60;

const kindOf = (frame) => frame[4];
const copyOf = (frame) => Uint8Array.from(frame);
const viewOf = (frame) => new DataView(frame.buffer, frame.byteOffset, frame.length);

function changed(frame, change) {
  const copy = copyOf(frame);
  change(viewOf(copy));
  return [copy];
}

/** A frame of this kind, epoch and number with another payload. */
function withPayload(frame, kind, payload) {
  const made = new Uint8Array(HEADER_BYTES + payload.length);
  made.set(frame.subarray(0, HEADER_BYTES));
  made.set(payload, HEADER_BYTES);
  viewOf(made).setUint32(0, payload.length, true);
  made[4] = kind;
  return made;
}

const ofSums = (lie) => (frame) => (SUMS.has(kindOf(frame)) ? lie(frame) : [frame]);
const ofKind = (kind, lie) => (frame) => (kindOf(frame) === kind ? lie(frame) : [frame]);

/** What is sent in place of a frame. The first two begin before any frame is right. */
const DEEDS = {
  "other-plan": ofKind(HELLO, (frame) => changed(frame, (view) => view.setUint32(24, 1, true))),
  mute: () => [],
  "wrong-size": ofSums((frame) => [
    withPayload(frame, kindOf(frame), frame.subarray(HEADER_BYTES, frame.length - 4)),
  ]),
  "huge-size": ofSums((frame) => changed(frame, (view) => view.setUint32(0, 0xffff_fff0, true))),
  "wrong-epoch": ofSums((frame) => changed(frame, (view) => view.setUint32(8, 4_000_000, true))),
  "wrong-number": ofSums((frame) =>
    changed(frame, (view) => view.setUint32(16, view.getUint32(16, true) + 1000, true)),
  ),
  twice: ofSums((frame) => [frame, copyOf(frame)]),
  "not-a-number": ofSums((frame) =>
    changed(frame, (view) => view.setUint32(HEADER_BYTES, 0x7fc0_0000, true)),
  ),
  infinity: ofSums((frame) =>
    changed(frame, (view) => view.setUint32(HEADER_BYTES, 0x7f80_0000, true)),
  ),
  "huge-count": ofKind(RESULT, (frame) =>
    changed(frame, (view) => view.setUint32(HEADER_BYTES + 20, 0xffff_ffff, true)),
  ),
  "other-hash": ofKind(RESULT, (frame) =>
    changed(frame, (view) => view.setUint32(HEADER_BYTES, 7, true)),
  ),
  commands: ofSums((frame) => [withPayload(frame, STEP, new Uint8Array(16))]),
  blames: ofSums((frame) => [withPayload(frame, FAULT, Uint8Array.of(0, 0, 3)), frame]),
  noise: ofSums(() => [randomBytes(512)]),
  silent: ofSums(() => []),
};
const FROM_THE_FIRST = ["other-plan", "mute"];

const sent = new WeakMap();
const { send } = PeerConnection.prototype;
PeerConnection.prototype.send = function (frame) {
  const present = sent.get(this) ?? { frames: 0, deed: readFileSync(deedFile, "utf8").trim() };
  sent.set(this, present);
  const { deed } = present;
  const isDue = FROM_THE_FIRST.includes(deed) || present.frames++ >= HONEST_FRAMES;
  const frames = isDue ? (DEEDS[deed]?.(frame) ?? [frame]) : [frame];
  for (const one of frames) send.call(this, one);
};

await load(entry);
