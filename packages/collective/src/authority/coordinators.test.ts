/** A second coordinator: invited, known, and taken out again. */
import { describe, expect, it } from "vitest";
import type { CoordinatorContact } from "./coordinators.js";
import { authorityFixture } from "./testing/authority-fixture.js";

const code = (name: string) => expect.objectContaining({ code: name });
const several = () => authorityFixture(undefined, { severalCoordinators: true });

describe("a further coordinator", () => {
  it("comes by an invite with that role, and is a coordinator by its certificate", async () => {
    const { authority, inviteNode, join } = await several();
    const invite = await inviteNode({ roles: ["coordinator", "storage"] });
    const { principal, result } = await join(invite, "alice-hub-2");
    expect(principal.kind).toBe("coordinator");
    expect(principal.spiffeId).toBe("spiffe://home.alice/coordinator/alice-hub-2");
    expect(result.roles).toEqual(["coordinator", "storage"]);
    authority.authorize(principal, "/anything", "delete");
  });

  it("is refused where the store allows for one alone, with what to do", async () => {
    const { inviteNode } = await authorityFixture();
    await expect(inviteNode({ roles: ["coordinator"] })).rejects.toMatchObject({
      code: "MESH_BAD_REQUEST",
      hint: expect.stringContaining("mesh store migrate"),
    });
  });

  it("has an invite for one machine, which makes no plain node a coordinator", async () => {
    const { inviteNode, join } = await several();
    await expect(inviteNode({ roles: ["coordinator"], maxUses: 2 })).rejects.toThrow(
      code("MESH_BAD_REQUEST"),
    );
    const { key } = await join(await inviteNode(), "garage");
    const invite = await inviteNode({ roles: ["coordinator"] });
    await expect(join(invite, "garage", key)).rejects.toThrow(code("MESH_ALREADY_MEMBER"));
    const next = await join(invite, "alice-hub-2");
    await expect(join(invite, "alice-hub-3")).rejects.toThrow(code("MESH_INVITE_USED"));
    expect(next.principal.kind).toBe("coordinator");
  });

  it("can be revoked by another one, and the last one by nobody", async () => {
    const { authority, operator, inviteNode, join } = await several();
    const { principal } = await join(await inviteNode({ roles: ["coordinator"] }), "alice-hub-2");
    await expect(authority.revoke(principal, "alice-hub-2", "oops")).rejects.toThrow(
      code("MESH_FORBIDDEN"),
    );
    await authority.revoke(operator, "alice-hub-2", "stolen");
    expect(() => authority.check(principal)).toThrow(code("MESH_CERT_REVOKED"));
    await expect(authority.revoke(operator, "alice-hub", "oops")).rejects.toThrow(
      code("MESH_FORBIDDEN"),
    );
  });

  it("is found by the contact that it wrote, on every other one, until it is revoked", async () => {
    const { authority, operator, reopen, inviteNode, join } = await several();
    const { principal } = await join(await inviteNode({ roles: ["coordinator"] }), "alice-hub-2");
    const contact: CoordinatorContact = {
      nodeId: principal.nodeId,
      name: principal.name,
      apiAddresses: ["10.0.0.2:8001"],
      linkAddresses: ["10.0.0.2:9000"],
      enrolmentAddresses: ["10.0.0.2:9001"],
      storeAddresses: [],
    };
    const other = await reopen();
    await authority.coordinators.announce(contact);
    await authority.coordinators.announce(contact);
    expect(authority.coordinators.list()).toEqual([contact]);
    await expect.poll(() => other.coordinators.list()).toEqual([contact]);
    await authority.revoke(operator, "alice-hub-2", "gone");
    expect(authority.coordinators.list()).toEqual([]);
    await authority.coordinators.forget(principal.nodeId);
    await other.close();
  });
});
