/**
 * The text of an invite:
 *
 *     hm1-<member>-<CA pin: 26>-<id: 10>-<secret: 32>-<check: 2>@host:port,host:port
 *
 * and the same as a link, `mesh://join/host:port#hm1-...`, for a click or a QR code. All of it but
 * the check characters is under the check characters, so that a mistyped or cut-off copy is noticed
 * before anything is sent. Case does not matter. A message about a bad code never repeats the code.
 *
 * A peering code, by which two members get to know each other, has the same parts behind `hp1` and
 * the link `mesh://peer/...`. Neither is ever taken for the other.
 */
import { type InviteId, limits, MeshError, parseInviteId, parseMemberId } from "@hearthmesh/core";
import { checkDigits } from "./check-digits.js";
import { formatEndpoint, parseEndpoint } from "./endpoint.js";
import type { InviteCode } from "./types.js";

/** One kind of code. */
interface CodeForm {
  readonly prefix: string;
  /** The first part of its link. */
  readonly place: string;
  /** For messages, with its article. */
  readonly noun: string;
  readonly title: string;
}

const INVITE: CodeForm = { prefix: "hm1", place: "join", noun: "an invite", title: "invite code" };
const PEERING: CodeForm = {
  prefix: "hp1",
  place: "peer",
  noun: "a code for a peer",
  title: "peering code",
};
const FORMS = [INVITE, PEERING] as const;
const PIN_LENGTH = 26;
const ID_LENGTH = 10;
const SECRET_LENGTH = 32;
const CHECK_LENGTH = 2;
const BASE32 = /^[a-z2-7]*$/;
const LINK = /^(?:mesh|collective):\/\/(join|peer)\/([^#]*)#(.*)$/;

/** The text and the link of an invite. `MESH_BAD_REQUEST` when a part is not of its form. */
export function encodeInvite(code: InviteCode): { text: string; link: string } {
  return encodeCode(INVITE, code);
}

/**
 * Reads the text or the link of an invite, with white space around it. Throws `MESH_INVITE_INVALID`
 * with what is wrong.
 */
export function parseInvite(input: string): InviteCode {
  return parseCode(INVITE, input);
}

/** The text and the link of a peering code. `MESH_BAD_REQUEST` as above. */
export function encodePeering(code: InviteCode): { text: string; link: string } {
  return encodeCode(PEERING, code);
}

/** Reads the text or the link of a peering code. Throws `MESH_INVITE_INVALID`. */
export function parsePeering(input: string): InviteCode {
  return parseCode(PEERING, input);
}

/** The public id in the text of an invite, or the id itself: what may be shown and logged. */
export function inviteIdOf(idOrText: string): InviteId {
  const text = idOrText.trim().toLowerCase();
  return text.length === ID_LENGTH && BASE32.test(text) ? (text as InviteId) : parseInvite(text).id;
}

function encodeCode(form: CodeForm, code: InviteCode): { text: string; link: string } {
  const endpoints = code.endpoints.map(formatEndpoint).join(",");
  const fields = [form.prefix, code.memberId, code.caPin, code.id, code.secret].join("-");
  const signed = `${fields}-${checkDigits(`${fields}@${endpoints}`)}`;
  const text = endpoints === "" ? signed : `${signed}@${endpoints}`;
  try {
    parseCode(form, text);
  } catch (cause) {
    throw new MeshError("MESH_BAD_REQUEST", {
      message: `${form.noun} cannot be written as text: ${(cause as Error).message}`,
    });
  }
  return { text, link: `mesh://${form.place}/${endpoints}#${signed}` };
}

function parseCode(form: CodeForm, input: string): InviteCode {
  try {
    return readCode(form, input);
  } catch (error) {
    if (!(error instanceof CodeProblem)) throw error;
    throw new MeshError("MESH_INVITE_INVALID", {
      message: `Invalid ${form.title}: ${error.message}`,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}

function readCode(form: CodeForm, input: string): InviteCode {
  if (input.length > limits.INVITE_TEXT_BYTES_MAX) throw invalid(`it is too long for ${form.noun}`);
  const { signed, endpointsText } = splitAddress(input.trim().toLowerCase());
  const parts = splitFields(form, signed);
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

function splitAddress(text: string): { signed: string; endpointsText: string } {
  if (text === "") throw invalid("it is empty");
  const link = LINK.exec(text);
  if (link === null) return splitAt(text);
  const [, , address = "", fragment = ""] = link;
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

function splitFields(form: CodeForm, signed: string) {
  const fields = signed.split("-");
  checkPrefix(form, fields[0] ?? "");
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

function checkPrefix({ prefix, noun }: CodeForm, found: string): void {
  if (found === prefix) return;
  const other = FORMS.find((form) => form.prefix === found);
  if (other !== undefined) {
    throw invalid(
      `it is ${other.noun}`,
      other === PEERING
        ? "Another member's operator takes it: `mesh peer accept <code>`."
        : "A machine takes it with `mesh join <code>`, a person with `mesh invite redeem <code>`.",
    );
  }
  const isOfOurs = found.startsWith(prefix.slice(0, 2)) && /^\d+$/.test(found.slice(2));
  throw invalid(
    isOfOurs ? "it was made by another version of the program" : `${noun} starts with ${prefix}-`,
  );
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

function mistyped(withoutAddress: boolean): CodeProblem {
  const also = withoutAddress ? ", or the address after the @ is missing" : "";
  return invalid(`a character is mistyped${also}`);
}

/** What is wrong, before the kind of code is named. */
class CodeProblem extends Error {
  readonly hint: string | undefined;

  constructor(reason: string, hint?: string) {
    super(reason);
    this.hint = hint;
  }
}

function invalid(reason: string, hint?: string): CodeProblem {
  return new CodeProblem(reason, hint);
}
