import { useCallback, useEffect, useRef, useState } from 'react';
import { auth } from './auth.js';
import { chooseWorkspace } from './session.js';
import { refreshWorkspaces } from './workspaces.js';

const assignable = ['owner', 'admin', 'member'];

/** Returns the id of the invitation that the page's address names, or null. */
export const invitationInAddress = () => new URLSearchParams(location.search).get('invitation');

/**
 * The dialog with the user's organizations, for trying out how workspaces are shared. It asks the server's own sign-in, which answers
 * as Better Auth's organization plugin does.
 */
export function Organizations({ viewer, invitation, close }) {
  const dialog = useRef(null);
  const [organizations, setOrganizations] = useState(null);
  const [problem, setProblem] = useState('');
  const load = useCallback(async () => {
    const list = await auth('organization/list');
    setOrganizations(await Promise.all(list.map(({ id }) => auth(`organization/get-full-organization?organizationId=${encodeURIComponent(id)}`))));
  }, []);
  // Does what changes an organization, and shows how they are then.
  const change = useCallback(async (path, body) => {
    setProblem('');
    try {
      const answer = path && await auth(`organization/${path}`, body);
      await load();
      await refreshWorkspaces(viewer.id);
      return answer;
    } catch (error) {
      setProblem(error.message);
      return null;
    }
  }, [load, viewer.id]);
  useEffect(() => {
    dialog.current.showModal();
    change();
  }, [change]);
  const create = async (event) => {
    event.preventDefault();
    const field = event.target.elements.name;
    const name = field.value.trim();
    const slug = `${name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}-${Math.random().toString(36).slice(2, 8)}`;
    const made = name !== '' && await change('create', { name, slug });
    if (made) field.value = '';
    if (made) chooseWorkspace(`organization/${made.id}`);
  };
  return (
    <dialog ref={dialog} className="sign-in organizations" aria-labelledby="organizations-title" onClose={close}>
      <h2 id="organizations-title">Organizations</h2>
      <p className="hint">The members of an organization share a workspace. For development only: with your own auth server, its organization plugin does this.</p>
      <p role="alert" className="problem">{problem}</p>
      {invitation && <Invitation id={invitation} change={change} />}
      {organizations?.map((organization) => <Organization key={organization.id} organization={organization} viewer={viewer} change={change} />)}
      <form className="line" onSubmit={create}>
        <input name="name" aria-label="Name of a new organization" placeholder="New organization" required maxLength={100} autoComplete="off" />
        <button type="submit">Create</button>
      </form>
      <div className="row"><button type="button" className="quiet" onClick={() => dialog.current.close()}>Close</button></div>
    </dialog>
  );
}

/** The invitation that the page's address names. */
function Invitation({ id, change }) {
  const [found, setFound] = useState(null);
  useEffect(() => { auth(`organization/get-invitation?id=${encodeURIComponent(id)}`).then(setFound, ({ message }) => setFound({ message })); }, [id]);
  const answer = async (path) => {
    const done = await change(path, { invitationId: id });
    if (!done) return;
    history.replaceState(null, '', '/');
    setFound(null);
    if (done.member) chooseWorkspace(`organization/${done.invitation.organizationId}`);
  };
  if (!found) return null;
  if (found.message) return <p className="problem">The invitation can’t be accepted: {found.message}.</p>;
  return (
    <div className="invitation" role="group" aria-label="Invitation">
      <p>{found.inviterEmail} invites you to <strong>{found.organizationName}</strong> as {found.role}.</p>
      <div className="row">
        <button type="button" autoFocus onClick={() => answer('accept-invitation')}>Accept</button>
        <button type="button" className="quiet" onClick={() => answer('reject-invitation')}>Decline</button>
      </div>
    </div>
  );
}

function Organization({ organization, viewer, change }) {
  const { id, name, members, invitations } = organization;
  const own = members.find(({ user }) => user.email === viewer.email);
  const manages = own?.role !== 'member';
  const offered = own?.role === 'owner' ? assignable : assignable.slice(1);
  const open = invitations.filter(({ status }) => status === 'pending');
  const invite = async (event) => {
    event.preventDefault();
    const form = event.target;
    if (await change('invite-member', { organizationId: id, ...Object.fromEntries(new FormData(form)) })) form.reset();
  };
  return (
    <details className="organization" open>
      <summary>{name}</summary>
      <ul aria-label={`Members of ${name}`}>
        {members.map((member) => {
          const isSelf = member.id === own?.id;
          return (
            <li key={member.id}>
              <span title={member.user.email}>{member.user.name}{isSelf && ' (you)'}</span>
              {manages && !isSelf
                ? <select aria-label={`Role of ${member.user.name}`} value={member.role} onChange={({ target }) => change('update-member-role', { organizationId: id, memberId: member.id, role: target.value })}>
                  {[...new Set([...offered, member.role])].map((role) => <option key={role}>{role}</option>)}
                </select>
                : <span className="role">{member.role}</span>}
              {manages && !isSelf && <button type="button" className="quiet" aria-label={`Remove ${member.user.name} from ${name}`} onClick={() => change('remove-member', { organizationId: id, memberIdOrEmail: member.id })}>Remove</button>}
              {isSelf && <button type="button" className="quiet" aria-label={`Leave ${name}`} onClick={() => change('leave', { organizationId: id })}>Leave</button>}
            </li>
          );
        })}
        {open.map((invitation) => (
          <li key={invitation.id}>
            <label>For {invitation.email}, as {invitation.role}: open in another browser
              <input readOnly value={`${location.origin}/?invitation=${invitation.id}`} onFocus={({ target }) => target.select()} />
            </label>
            <button type="button" className="quiet" aria-label={`Cancel the invitation of ${invitation.email}`} onClick={() => change('cancel-invitation', { invitationId: invitation.id })}>Cancel</button>
          </li>
        ))}
      </ul>
      {manages && (
        <form className="line" onSubmit={invite}>
          <input name="email" type="email" aria-label={`Address to invite to ${name}`} placeholder="Email of another account" required autoComplete="off" />
          <select name="role" aria-label="Role" defaultValue="member">{offered.map((role) => <option key={role}>{role}</option>)}</select>
          <button type="submit" className="quiet">Invite</button>
        </form>
      )}
      {own?.role === 'owner' && <button type="button" className="link" onClick={() => { if (confirm(`Delete ${name}? Its workspace can’t be reached then.`)) change('delete', { organizationId: id }); }}>Delete this organization</button>}
    </details>
  );
}
