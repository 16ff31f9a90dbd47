/**
 * The text of an API key: `hmk1-<id: 10>-<secret: 32>-<check: 2>`, base32, case does not matter.
 * The secret has 160 random bits; the store has its hash alone. The check characters tell a
 * mistyped copy without a look into the store. No message repeats a key.
 */
import { MeshError, newInviteId, type Random } from "@hearthmesh/core";
import { checkDigits, newInviteSecret } from "@hearthmesh/identity";

const FORM = /^(hmk1-([a-z2-7]{10})-([a-z2-7]{32}))-([a-z2-7]{2})$/;
/** Longer texts are not looked at. */
const TEXT_LENGTH_MAX = 64;

export interface ApiKeyText {
  /** Public: names the key in lists and logs. */
  readonly id: string;
  readonly secret: string;
  readonly text: string;
}

export function newApiKeyText(random: Random): ApiKeyText {
  // Ids of keys have the form of those of invites: 50 bits that are unique, not secret.
  const id = newInviteId(random);
  const secret = newInviteSecret(random);
  const signed = `hmk1-${id}-${secret}`;
  return { id, secret, text: `${signed}-${checkDigits(signed)}` };
}

/** `MESH_KEY_INVALID` when it is not the text of a key. */
export function parseApiKey(input: string): ApiKeyText {
  const text = input.length > TEXT_LENGTH_MAX ? "" : input.trim().toLowerCase();
  const [, signed = "", id = "", secret = "", check = ""] = FORM.exec(text) ?? [];
  if (signed === "") {
    throw new MeshError("MESH_KEY_INVALID", {
      message: "this is not an API key: one looks like hmk1-...",
      hint: "`mesh key create` makes one and shows it once.",
    });
  }
  if (checkDigits(signed) !== check) {
    throw new MeshError("MESH_KEY_INVALID", {
      message: "a character of the API key is mistyped",
      hint: "Copy the whole key again.",
    });
  }
  return { id, secret, text };
}
