import { describe, expect, it } from "vitest";
import { authorityFixture } from "./testing/authority-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });

describe("passing on the right to keys", () => {
  it("takes that right on keys: all files are not enough", async () => {
    const { invitePerson, join } = await authorityFixture();
    const files = await join(await invitePerson(["/:all"]), "files");
    await expect(invitePerson(["/kv/app:read"], { by: files.principal })).rejects.toThrow(
      code("MESH_FORBIDDEN"),
    );
    await invitePerson(["/photos:read"], { by: files.principal });
    const keys = await join(await invitePerson(["/kv/app:read+share"]), "keys");
    await invitePerson(["/kv/app/db:read"], { by: keys.principal });
    await expect(invitePerson(["/kv/app:write"], { by: keys.principal })).rejects.toThrow(
      code("MESH_FORBIDDEN"),
    );
  });
});
