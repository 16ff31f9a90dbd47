/**
 * The recovery kit: everything that brings a member back when all its machines are gone, as text
 * that fits on a sheet of paper and as one text for a QR code.
 *
 *     payload   version u8 | CA key 32 | store key 32 | member | domain | friends u8 | friend ...
 *     friend    member | domain | CA pin 16 | addresses u8 | address ...
 *     all of it, then the first 8 bytes of its SHA-256
 *
 * A text in it is one byte of length and ASCII. The bytes are written in base32, 32 characters in a
 * line with the number of the line in front and two check characters behind it, so that a line that
 * was mistyped, left out or put in the wrong place is named before anything else is looked at.
 * Lines that begin with `#` are for people and may be left out. A message about a bad kit says
 * where it is bad and repeats nothing of it: whoever has the kit has the member.
 */
import { createHash } from "node:crypto";
import {
  fromBase32,
  type MemberId,
  MeshError,
  parseMemberId,
  parseTrustDomain,
  type TrustDomain,
  toBase32,
} from "@hearthmesh/core";
import { checkDigits } from "./check-digits.js";
import { type Endpoint, formatEndpoint, parseEndpoint } from "./endpoint.js";
import { keyPemOfScalar } from "./keys.js";

/** Another member that keeps copies for this one. */
export interface KitFriend {
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  /** Of its CA, as in an invite: 26 characters of base32. */
  readonly caPin: string;
  /** Of the API of its coordinators (mutual TLS), best first. */
  readonly endpoints: readonly Endpoint[];
}

export interface RecoveryKit {
  readonly memberId: MemberId;
  readonly trustDomain: TrustDomain;
  /** 32 bytes: the private key of the member's CA; see `scalarOfKey`. */
  readonly caKey: Uint8Array;
  /** 32 bytes: what everything at friends is sealed with. */
  readonly storeKey: Uint8Array;
  readonly friends: readonly KitFriend[];
}

/** Friends in one kit, so that it stays one sheet of paper. */
export const RECOVERY_KIT_FRIENDS_MAX = 8;
/** Addresses of one friend. */
const ENDPOINTS_MAX = 4;
const KIT_TEXT_BYTES_MAX = 16 * 1024;
const VERSION = 1;
const KEY_BYTES = 32;
const PIN_BYTES = 16;
const HASH_BYTES = 8;
const LINE_CHARACTERS = 32;
const GROUP_CHARACTERS = 4;
const ONE_TEXT_PREFIX = "hmkit1-";
const LINE = /^(\d{1,3})[ :.]+([a-z2-7 -]*)$/;

/** The kit for paper: lines of at most 60 characters. `MESH_KIT_INVALID` when it does not fit. */
export function formatRecoveryKit(kit: RecoveryKit): string {
  const text = toBase32(encodeKit(kit));
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += LINE_CHARACTERS) {
    const characters = text.slice(at, at + LINE_CHARACTERS);
    const number = lines.length + 1;
    const groups = groupsOf(characters).join(" ");
    const check = checkDigits(`${number}:${characters}`);
    lines.push(`${String(number).padStart(3)}  ${groups}  ${check}`);
  }
  const friends = kit.friends.map((friend) => `${friend.memberId} (${friend.trustDomain})`);
  return [
    `# Hearthmesh recovery kit of ${kit.memberId} (${kit.trustDomain}), ${lines.length} lines`,
    "# SECRET: whoever has it can act as this member and read its copies.",
    "# Keep it on paper, away from the machines. To use it on a new machine:",
    "#   mesh restore --kit FILE",
    `# Friends with copies: ${friends.length === 0 ? "none" : friends.join(", ")}`.slice(0, 200),
    ...lines,
    "",
  ].join("\n");
}

/** The same as one text without spaces, such as for a QR code. Upper case is as good. */
export function kitAsOneText(kit: RecoveryKit): string {
  const text = ONE_TEXT_PREFIX + toBase32(encodeKit(kit));
  return text + checkDigits(text);
}

/**
 * Reads either form. `MESH_KIT_INVALID` says which line is wrong; `details.lines` has the numbers
 * of all lines whose check characters do not match.
 */
export function parseRecoveryKit(input: string): RecoveryKit {
  if (input.length > KIT_TEXT_BYTES_MAX) throw invalid("it is too long");
  const text = input.trim().toLowerCase();
  const characters = text.startsWith("hmkit") ? readOneText(text) : readLines(text);
  return decodeKit(fromBase32(characters));
}

function groupsOf(characters: string): string[] {
  const groups: string[] = [];
  for (let at = 0; at < characters.length; at += GROUP_CHARACTERS) {
    groups.push(characters.slice(at, at + GROUP_CHARACTERS));
  }
  return groups;
}

function readOneText(text: string): string {
  const whole = text.replace(/\s+/g, "");
  if (!whole.startsWith(ONE_TEXT_PREFIX)) throw invalid("another version of the program made it");
  const signed = whole.slice(0, -2);
  if (checkDigits(signed) !== whole.slice(-2)) throw invalid("a character of it is wrong");
  const characters = signed.slice(ONE_TEXT_PREFIX.length);
  if (!/^[a-z2-7]+$/.test(characters)) throw invalid("it has a character other than a-z and 2-7");
  return characters;
}

function readLines(text: string): string {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const wrong: number[] = [];
  const pieces: string[] = [];
  for (const line of lines.filter((one) => one !== "" && !one.startsWith("#"))) {
    const number = pieces.length + 1;
    const [, written, rest = ""] = LINE.exec(line) ?? [];
    const letters = rest.replace(/[ -]/g, "");
    const characters = letters.slice(0, -2);
    if (written !== undefined && Number(written) !== number) {
      throw atLine(number, `line ${number} is missing, or not in its place`);
    }
    if (written === undefined || checkDigits(`${number}:${characters}`) !== letters.slice(-2)) {
      wrong.push(number);
    }
    pieces.push(characters);
  }
  if (pieces.length === 0) throw invalid("it is empty");
  const [first, ...others] = wrong;
  if (first !== undefined) {
    const which = others.length === 0 ? `line ${first} is` : `lines ${wrong.join(", ")} are`;
    throw atLine(first, `${which} mistyped`, wrong);
  }
  return pieces.join("");
}

function encodeKit(kit: RecoveryKit): Uint8Array {
  if (kit.friends.length > RECOVERY_KIT_FRIENDS_MAX) {
    throw invalid(`it names more than ${RECOVERY_KIT_FRIENDS_MAX} friends`);
  }
  const pieces: Uint8Array[] = [
    Buffer.from([VERSION]),
    sized(kit.caKey, KEY_BYTES),
    sized(kit.storeKey, KEY_BYTES),
    asciiText(kit.memberId),
    asciiText(kit.trustDomain),
    Buffer.from([kit.friends.length]),
    ...kit.friends.flatMap(encodeFriend),
  ];
  const payload = Buffer.concat(pieces);
  return Buffer.concat([payload, hashOf(payload)]);
}

function encodeFriend(friend: KitFriend): Uint8Array[] {
  const endpoints = friend.endpoints.slice(0, ENDPOINTS_MAX).map(formatEndpoint);
  return [
    asciiText(friend.memberId),
    asciiText(friend.trustDomain),
    sized(fromBase32(friend.caPin), PIN_BYTES),
    Buffer.from([endpoints.length]),
    ...endpoints.map(asciiText),
  ];
}

function decodeKit(bytes: Uint8Array): RecoveryKit {
  const whole = Buffer.from(bytes);
  const payload = whole.subarray(0, -HASH_BYTES);
  if (payload.length === 0) throw invalid("it is cut off");
  // The last line may be missing without any line being wrong.
  if (payload[0] !== VERSION) throw invalid("another version of the program made it");
  if (!hashOf(payload).equals(whole.subarray(-HASH_BYTES))) {
    throw invalid("a line is missing at its end, or two mistakes in a line hide each other");
  }
  try {
    return readKit(new Reader(payload.subarray(1)));
  } catch (cause) {
    throw new MeshError("MESH_KIT_INVALID", { message: "the recovery kit is not whole", cause });
  }
}

function readKit(reader: Reader): RecoveryKit {
  const caKey = reader.bytes(KEY_BYTES);
  keyPemOfScalar(caKey);
  const storeKey = reader.bytes(KEY_BYTES);
  const memberId = parseMemberId(reader.text());
  const trustDomain = parseTrustDomain(reader.text());
  const count = reader.byte();
  if (count > RECOVERY_KIT_FRIENDS_MAX) throw invalid("it names too many friends");
  const friends = Array.from({ length: count }, () => readFriend(reader));
  return { memberId, trustDomain, caKey, storeKey, friends };
}

function readFriend(reader: Reader): KitFriend {
  const memberId = parseMemberId(reader.text());
  const trustDomain = parseTrustDomain(reader.text());
  const caPin = toBase32(reader.bytes(PIN_BYTES));
  const count = reader.byte();
  if (count > ENDPOINTS_MAX) throw invalid("a friend has too many addresses");
  const endpoints = Array.from({ length: count }, () => parseEndpoint(reader.text()));
  return { memberId, trustDomain, caPin, endpoints };
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  bytes(count: number): Uint8Array {
    const end = this.#at + count;
    if (end > this.#bytes.length) throw invalid("it is cut off");
    const piece = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return new Uint8Array(piece);
  }

  byte(): number {
    return this.bytes(1)[0] ?? 0;
  }

  text(): string {
    return Buffer.from(this.bytes(this.byte())).toString("latin1");
  }
}

function sized(bytes: Uint8Array, length: number): Uint8Array {
  if (bytes.length !== length) throw invalid(`a key has ${bytes.length} of ${length} bytes`);
  return bytes;
}

function asciiText(text: string): Uint8Array {
  const bytes = Buffer.from(text, "latin1");
  if (bytes.length > 255) throw invalid("a name in it is too long");
  return Buffer.concat([Buffer.from([bytes.length]), bytes]);
}

function hashOf(payload: Uint8Array): Buffer {
  const hash = createHash("sha256").update("hearthmesh-kit-v1\n").update(payload).digest();
  return hash.subarray(0, HASH_BYTES);
}

function atLine(line: number, reason: string, lines: readonly number[] = [line]): MeshError {
  return new MeshError("MESH_KIT_INVALID", {
    message: `the recovery kit is not valid: ${reason}`,
    details: { line, lines },
  });
}

function invalid(reason: string): MeshError {
  return new MeshError("MESH_KIT_INVALID", {
    message: `the recovery kit is not valid: ${reason}`,
  });
}
