// Shares an organization with the official client's organization plugin, the way two browsers would:
//
//   node organization-client.mjs <base URL>
//
// Exits 1 at the first step that is not as it should be.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { createAuthClient } from "better-auth/client";
import { organizationClient } from "better-auth/client/plugins";
import { browser } from "./browser.mjs";

const baseURL = process.argv[2];
assert.ok(baseURL, "usage: node organization-client.mjs <base URL>");

const must = ({ data, error }) => {
  assert.equal(error, null);
  return data;
};
const refused = async (code, response) => assert.equal((await response).error?.code, code);

/** Signs up a user in a browser of their own. */
async function signUp(name) {
  const client = createAuthClient({
    baseURL,
    plugins: [organizationClient()],
    fetchOptions: { customFetchImpl: browser(baseURL).fetch },
  });
  const email = `${name}-${randomUUID()}@example.com`;
  const { user } = must(await client.signUp.email({ name, email, password: "correct horse battery" }));
  return { client, organization: client.organization, email, id: user.id };
}
const [ada, ben] = [await signUp("ada"), await signUp("ben")];

const slug = `team-${randomUUID()}`;
assert.deepEqual(must(await ada.organization.checkSlug({ slug })), { status: true });
const team = must(await ada.organization.create({ name: "Team", slug, metadata: { color: "red" } }));
const organizationId = team.id;
assert.equal(team.members[0].userId, ada.id);
assert.deepEqual(team.metadata, { color: "red" });
await refused("ORGANIZATION_SLUG_ALREADY_TAKEN", ada.organization.checkSlug({ slug }));
assert.equal(must(await ada.organization.update({ organizationId, data: { name: "The team" } })).name, "The team");
assert.deepEqual(must(await ada.organization.list()).map(({ id, name }) => ({ id, name })), [{ id: organizationId, name: "The team" }]);
assert.equal(must(await ada.client.getSession()).session.activeOrganizationId, organizationId);

const invite = async () => must(await ada.organization.inviteMember({ organizationId, email: ben.email, role: "member" })).id;
const declined = await invite();
assert.equal(must(await ben.organization.rejectInvitation({ invitationId: declined })).invitation.status, "rejected");
const withdrawn = await invite();
assert.equal(must(await ada.organization.cancelInvitation({ invitationId: withdrawn })).status, "canceled");
const invitationId = await invite();
await refused("USER_IS_ALREADY_INVITED_TO_THIS_ORGANIZATION", ada.organization.inviteMember({ organizationId, email: ben.email, role: "member" }));
assert.equal(must(await ada.organization.listInvitations({ query: { organizationId } })).length, 3);
const invitation = must(await ben.organization.getInvitation({ query: { id: invitationId } }));
assert.equal(invitation.organizationName, "The team");
assert.equal(invitation.inviterEmail, ada.email);
assert.ok(invitation.expiresAt instanceof Date);
await refused("YOU_ARE_NOT_A_MEMBER_OF_THIS_ORGANIZATION", ben.organization.listMembers({ query: { organizationId } }));
const { member } = must(await ben.organization.acceptInvitation({ invitationId }));
assert.equal(member.userId, ben.id);

const { members, total } = must(await ben.organization.listMembers({ query: { organizationId, sortBy: "createdAt", limit: 100, offset: 0 } }));
assert.deepEqual([total, ...members.map(({ user }) => user.name)], [2, "ada", "ben"]);
assert.equal(must(await ben.organization.getActiveMember()).role, "member");
await refused("YOU_ARE_NOT_ALLOWED_TO_UPDATE_THIS_ORGANIZATION", ben.organization.update({ organizationId, data: { name: "x" } }));
must(await ada.organization.updateMemberRole({ organizationId, memberId: member.id, role: ["admin", "member"] }));
assert.equal(must(await ben.organization.getActiveMemberRole({ query: { organizationId } })).role, "admin,member");
assert.deepEqual(must(await ben.organization.hasPermission({ permissions: { organization: ["update"] } })), { error: null, success: true });
assert.equal(must(await ben.organization.getFullOrganization()).members.length, 2);
assert.equal(must(await ben.organization.setActive({ organizationId: null })), null);
assert.equal(must(await ben.organization.getFullOrganization()), null);
assert.equal(must(await ben.organization.setActive({ organizationSlug: slug })).id, organizationId);

await refused("YOU_CANNOT_LEAVE_THE_ORGANIZATION_AS_THE_ONLY_OWNER", ada.organization.leave({ organizationId }));
assert.equal(must(await ben.organization.leave({ organizationId })).userId, ben.id);
must(await ben.organization.acceptInvitation({ invitationId: await invite() }));
assert.equal(must(await ada.organization.removeMember({ organizationId, memberIdOrEmail: ben.email })).member.userId, ben.id);
assert.deepEqual(must(await ben.organization.list()), []);
must(await ada.organization.delete({ organizationId }));
assert.deepEqual(must(await ada.organization.list()), []);
console.log("ok");
