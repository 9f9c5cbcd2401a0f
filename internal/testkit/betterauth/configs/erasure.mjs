// The configuration of docs/erasure.md, whose code is task-events.mjs. Every user is an admin.
import { admin, anonymous } from "better-auth/plugins";
import { onLinkAccount, onSessionEnded, onUserDeleted, onUserUpdated } from "./task-events.mjs";

export default (options) => ({
  ...options,
  user: { ...options.user, deleteUser: { enabled: true } },
  databaseHooks: {
    user: { delete: { after: onUserDeleted }, update: { after: onUserUpdated } },
    session: { delete: { after: onSessionEnded } },
  },
  plugins: [...options.plugins, admin({ defaultRole: "admin" }), anonymous({ onLinkAccount })],
});
