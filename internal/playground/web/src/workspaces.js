import { fetchTransport } from '../../../../examples/sync/store.ts';
import { setWorkspaces, useChoice } from './session.js';
import { settings } from './settings.js';

const transport = fetchTransport(settings.endpoint, () => ({ credentials: 'same-origin' }));

/** Asks for the account's workspaces. Those that are known stay while the server can't say. */
export async function refreshWorkspaces(account) {
  const { data } = await transport.execute('{ workspaces { id kind name role } }', {}).catch(() => ({}));
  if (data) setWorkspaces(account, data.workspaces);
}

/** Returns the members of a workspace, null if the server can't say. */
export async function membersOf(id) {
  const { data } = await transport.execute('query ($id: ID!) { workspace(id: $id) { members { person { id name } role } } }', { id }).catch(() => ({}));
  return data?.workspace?.members ?? null;
}

const own = { id: null, kind: 'PERSONAL', name: 'Personal', role: 'ADMIN' };

/** Returns the workspaces to choose from, and the chosen one. The id of the user's own is null. */
export function useWorkspaces() {
  const { workspaces, workspace } = useChoice();
  const all = workspaces.length === 0 ? [own] : workspaces.map((w) => (w.kind === 'PERSONAL' ? own : w));
  return { all, chosen: all.find(({ id }) => id === workspace) ?? { ...own, id: workspace, role: workspace === null ? 'ADMIN' : 'READ' } };
}

/** What a role allows, in words. */
export const roles = { READ: 'read only', WRITE: 'can edit', ADMIN: 'admin' };

/** Why controls are disabled. */
export const readOnly = 'You may only read this workspace.';
export const adminsOnly = 'Only admins of the workspace may delete projects.';
