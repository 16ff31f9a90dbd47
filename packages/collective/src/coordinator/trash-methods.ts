/** `file.trash`, `file.restore` and `file.empty`: what was removed, for whoever may delete it. */
import { limits } from "@hearthmesh/core";
import type { Call, MethodTable } from "./method-table.js";
import { type MeshPath, parsePath } from "./paths.js";
import type { Trash } from "./trash.js";

const ID_LENGTH_MAX = 44;

export function trashMethods(trash: Trash): MethodTable {
  return {
    "file.trash": {
      policy: "enrolled",
      serve: async ({ access, fields }) => {
        const limit = fields.optionalInteger("limit") ?? limits.LIST_PAGE_ENTRIES_MAX;
        const page = await trash.list(access, {
          path: placeOf(fields),
          after: fields.optionalText("after", ID_LENGTH_MAX),
          limit: Math.min(Math.max(1, limit), limits.LIST_PAGE_ENTRIES_MAX),
        });
        return { header: page };
      },
    },
    "file.restore": {
      policy: "enrolled",
      serve: async ({ access, fields }) => {
        const to = fields.raw("to");
        const entry = await trash.restore(access, {
          id: fields.text("id", ID_LENGTH_MAX),
          to: to === undefined ? undefined : parsePath(to),
          parents: fields.flag("parents"),
        });
        return { header: { entry } };
      },
    },
    "file.empty": {
      policy: "enrolled",
      serve: async ({ access, fields }) => {
        const emptied = await trash.empty(access, {
          path: placeOf(fields),
          id: fields.optionalText("id", ID_LENGTH_MAX),
          beforeMs: fields.optionalInteger("beforeMs"),
        });
        return { header: { emptied } };
      },
    },
  };
}

/** Absent: everything. */
function placeOf(fields: Call["fields"]): MeshPath {
  return parsePath(fields.raw("path") ?? "/");
}
