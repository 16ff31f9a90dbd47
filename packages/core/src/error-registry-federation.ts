/** What can go wrong between members, with grants, quotas, copies and the layout. */
import { define } from "./error-definition.js";

export const federation = {
  MESH_PEER_UNKNOWN: define(
    404,
    3,
    "no such member is a peer of this one",
    "`mesh peer list` shows the peers; `mesh peer invite` makes a code for a new one.",
  ),
  MESH_PEER_EXISTS: define(
    409,
    5,
    "a peer of this name or domain is there already",
    "Remove it first with `mesh peer remove`, or choose another name with `--as`.",
  ),
  MESH_BUNDLE_INVALID: define(
    400,
    9,
    "the trust bundle of the other member is not valid",
    "Ask its operator for a new code with `mesh peer invite`, and compare the words.",
  ),
  MESH_ACROSS_MEMBERS: define(
    400,
    2,
    "this is not possible between two members",
    "Read the file and write it at the other member, then remove the old one.",
  ),
  MESH_QUOTA: define(
    507,
    7,
    "the quota is used up",
    "`mesh quota list` shows who may keep how much where; remove files, or ask for more.",
  ),
  MESH_GRANT_UNKNOWN: define(404, 3, "there is no such grant", "`mesh grant list` shows them."),
  MESH_LAYOUT_CHANGED: define(
    409,
    5,
    "the layout has changed in the meantime",
    "Look at it again with `mesh layout show`, then apply the version that it names.",
  ),
  MESH_LAYOUT_UNSAFE: define(
    409,
    5,
    "this would leave files with fewer copies, or with none",
    "Add nodes or space first, or repeat it with `--force`.",
  ),
  MESH_COPY_DAMAGED: define(
    502,
    8,
    "a copy at another member is damaged",
    "Another copy is tried; the next run of the worker `copies` makes a new one.",
  ),
  MESH_KIT_INVALID: define(
    400,
    8,
    "the recovery kit is not valid",
    "Check it for mistyped characters against the paper; `mesh backup create` prints a new one.",
  ),
} as const;
