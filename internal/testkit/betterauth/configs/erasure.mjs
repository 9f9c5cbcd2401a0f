// The configuration of docs/erasure.md, whose code is task-events.mjs. Every user is an admin.
import { admin, anonymous } from "better-auth/plugins";
import { onLinkAccount, onUserDeleted } from "./task-events.mjs";

export default (options) => ({
  ...options,
  user: { ...options.user, deleteUser: { enabled: true } },
  databaseHooks: { user: { delete: { after: onUserDeleted } } },
  plugins: [...options.plugins, admin({ defaultRole: "admin" }), anonymous({ onLinkAccount })],
});
