import { createAccessControl } from "better-auth/plugins/access";
import { adminAc, defaultStatements, memberAc, ownerAc } from "better-auth/plugins/organization/access";

/** The roles in an organization. The API lets guests read, because its WORKSPACE_ROLES doesn't list them. */
export const roles = {
  owner: ownerAc,
  admin: adminAc,
  member: memberAc,
  guest: createAccessControl(defaultStatements).newRole({ organization: [] }),
};

export const roleNames = { owner: "Owner", admin: "Admin", member: "Member", guest: "Guest, can only read" } as const;
