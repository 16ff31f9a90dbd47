/**
 * The text of an invite:
 *
 *     hm1-<member>-<CA pin: 26>-<id: 10>-<secret: 32>-<check: 2>@host:port,host:port
 *
 * and the same as a link, `mesh://join/host:port#hm1-...`, for a click or a QR code. All of it but
 * the check characters is under the check characters, so that a mistyped or cut-off copy is noticed
 * before anything is sent. Case does not matter. A message about a bad code never repeats the code.
 */
import { type InviteId, limits, MeshError, parseInviteId, parseMemberId } from "@hearthmesh/core";
import { checkDigits } from "./check-digits.js";
import { formatEndpoint, parseEndpoint } from "./endpoint.js";
import type { InviteCode } from "./types.js";

const PREFIX = "hm1";
const PIN_LENGTH = 26;
const ID_LENGTH = 10;
const SECRET_LENGTH = 32;
const CHECK_LENGTH = 2;
const BASE32 = /^[a-z2-7]*$/;
const LINK = /^(?:mesh|collective):\/\/join\/([^#]*)#(.*)$/;

/** The text and the link of an invite. `MESH_BAD_REQUEST` when a part is not of its form. */
export function encodeInvite(code: InviteCode): { text: string; link: string } {
  const endpoints = code.endpoints.map(formatEndpoint).join(",");
  const fields = [PREFIX, code.memberId, code.caPin, code.id, code.secret].join("-");
  const signed = `${fields}-${checkDigits(`${fields}@${endpoints}`)}`;
  const text = endpoints === "" ? signed : `${signed}@${endpoints}`;
  try {
    parseInvite(text);
  } catch (cause) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `the invite cannot be written as text: ${(cause as Error).message}`,
    });
  }
  return { text, link: `mesh://join/${endpoints}#${signed}` };
}

/**
 * Reads the text or the link of an invite, with white space around it. Throws `MESH_INVITE_INVALID`
 * with what is wrong.
 */
export function parseInvite(input: string): InviteCode {
  if (input.length > limits.INVITE_TEXT_BYTES_MAX) throw invalid("it is too long for an invite");
  const { signed, endpointsText } = splitAddress(input.trim().toLowerCase());
  const parts = splitFields(signed);
  const endpoints = endpointsText === "" ? [] : endpointsText.split(",");
  if (endpoints.length > limits.INVITE_ENDPOINTS_MAX) {
    throw invalid(`it names more than ${limits.INVITE_ENDPOINTS_MAX} addresses`);
  }
  const expected = checkDigits(`${signed.slice(0, -CHECK_LENGTH - 1)}@${endpointsText}`);
  if (expected !== parts.check) throw mistyped(endpointsText === "");
  return {
    memberId: readPart(() => parseMemberId(parts.member), "the member's name is not valid"),
    caPin: parts.pin,
    id: readPart(() => parseInviteId(parts.id), "its id is not valid"),
    secret: parts.secret,
    endpoints: endpoints.map((text) => readPart(() => parseEndpoint(text), "an address is bad")),
  };
}

/** The public id in the text of an invite, or the id itself: what may be shown and logged. */
export function inviteIdOf(idOrText: string): InviteId {
  const text = idOrText.trim().toLowerCase();
  return text.length === ID_LENGTH && BASE32.test(text) ? (text as InviteId) : parseInvite(text).id;
}

function splitAddress(text: string): { signed: string; endpointsText: string } {
  if (text === "") throw invalid("it is empty");
  const link = LINK.exec(text);
  if (link === null) return splitAt(text);
  const [, address = "", fragment = ""] = link;
  const inner = splitAt(fragment);
  if (inner.endpointsText !== "" && inner.endpointsText !== address) {
    throw invalid("the link names two different addresses");
  }
  return { signed: inner.signed, endpointsText: address.replace(/\/+$/, "") };
}

function splitAt(text: string): { signed: string; endpointsText: string } {
  const at = text.indexOf("@");
  if (at < 0) return { signed: text, endpointsText: "" };
  return { signed: text.slice(0, at), endpointsText: text.slice(at + 1) };
}

function splitFields(signed: string) {
  const fields = signed.split("-");
  const version = fields[0] ?? "";
  if (version !== PREFIX) {
    throw invalid(
      /^hm\d+$/.test(version)
        ? "it was made by another version of the program"
        : `an invite starts with ${PREFIX}-`,
    );
  }
  // The member's name may have hyphens itself: count the others from the end.
  const [check = "", secret = "", id = "", pin = ""] = fields.slice(2).reverse();
  const member = fields.slice(1, -4).join("-");
  const wrong = [
    checkPart("the CA pin", pin, PIN_LENGTH),
    checkPart("the id", id, ID_LENGTH),
    checkPart("the secret", secret, SECRET_LENGTH),
    checkPart("the check part", check, CHECK_LENGTH),
  ].find((problem) => problem !== undefined);
  if (fields.length < 6) throw invalid("a part of it is missing");
  if (wrong !== undefined) throw invalid(wrong);
  return { member, pin, id, secret, check };
}

function checkPart(name: string, value: string, length: number): string | undefined {
  if (value.length !== length) return `${name} has ${value.length} of ${length} characters`;
  return BASE32.test(value) ? undefined : `${name} has a character other than a-z and 2-7`;
}

function readPart<T>(read: () => T, problem: string): T {
  try {
    return read();
  } catch {
    throw invalid(problem);
  }
}

function mistyped(withoutAddress: boolean): MeshError {
  const also = withoutAddress ? ", or the address after the @ is missing" : "";
  return invalid(`a character is mistyped${also}`);
}

function invalid(reason: string): MeshError {
  return new MeshError("MESH_INVITE_INVALID", { message: `Invalid invite code: ${reason}` });
}
