import { useEffect, useRef, useState } from 'react';
import { auth } from './auth.js';
import { PeopleIcon } from './icons.jsx';
import { invitationInAddress, Organizations } from './organizations.jsx';
import { settings } from './settings.js';
import { forgetTasks } from './tasks.js';

/** Shows who is signed in and, if the server has its own sign-in, the buttons for organizations and to sign in and out. */
export function Account({ viewer, asking, setAsking, changed }) {
  const [problem, setProblem] = useState('');
  const [organizing, setOrganizing] = useState(false);
  const [invitation] = useState(settings.organizations ? invitationInAddress : null);
  // Whoever was sent here to accept an invitation signs in first.
  useEffect(() => {
    if (invitation && viewer === null) setAsking(true);
    if (invitation && viewer) setOrganizing(true);
  }, [invitation, viewer, setAsking]);
  const signOut = async () => {
    try {
      await auth('sign-out', {});
      await forgetTasks(viewer.id);
      changed();
    } catch (error) {
      setProblem(error.message);
    }
  };
  return (
    <div className="account">
      <p className="who" role="status" aria-live="polite">
        {viewer === undefined && 'Checking who is signed in…'}
        {viewer === null && (settings.signIn ? 'Signed out' : 'Signed out: sign in at your frontend')}
        {viewer && <><span className="avatar" aria-hidden="true">{(viewer.name || viewer.email).slice(0, 1).toUpperCase()}</span><span className="sr">Signed in as </span><span className="name" title={viewer.email}>{viewer.name || viewer.email}</span></>}
        {problem && <span className="problem"> {problem}</span>}
      </p>
      {settings.signIn && viewer === null && <button type="button" id="open-sign-in" onClick={() => setAsking(true)}>Sign in</button>}
      {settings.organizations && viewer && <button type="button" id="open-organizations" className="quiet" aria-haspopup="dialog" aria-label="Organizations" title="Organizations" onClick={() => setOrganizing(true)}><PeopleIcon /></button>}
      {settings.signIn && viewer && <button type="button" id="sign-out" className="quiet" onClick={signOut}>Sign out</button>}
      {organizing && viewer && <Organizations viewer={viewer} invitation={invitation} close={() => setOrganizing(false)} />}
      {settings.signIn && asking && <SignIn close={() => setAsking(false)} done={() => { setAsking(false); changed(); }} />}
    </div>
  );
}

function SignIn({ close, done }) {
  const dialog = useRef(null);
  const [isNew, setNew] = useState(true);
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  useEffect(() => { dialog.current.showModal(); }, []);
  const submit = async (event) => {
    event.preventDefault();
    const { name, email, password } = Object.fromEntries(new FormData(event.currentTarget));
    setBusy(true);
    try {
      await (isNew ? auth('sign-up/email', { name, email, password }) : auth('sign-in/email', { email, password }));
      done();
    } catch (error) {
      setProblem(error.message);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} className="sign-in" aria-labelledby="sign-in-title" onClose={close}>
      <form onSubmit={submit}>
        <h2 id="sign-in-title">{isNew ? 'Create an account' : 'Sign in'}</h2>
        <p className="hint">For development only: the account is kept in this server’s own database, and the address is not checked.</p>
        {isNew && <label>Name<input name="name" autoComplete="name" required /></label>}
        <label>Email<input name="email" type="email" autoComplete="username" required /></label>
        <label>Password<input name="password" type="password" autoComplete={isNew ? 'new-password' : 'current-password'} minLength={8} required /><small>At least 8 characters</small></label>
        <p role="alert" className="problem">{problem}</p>
        <div className="row">
          <button type="submit" disabled={busy}>{isNew ? 'Sign up' : 'Sign in'}</button>
          <button type="button" className="quiet" onClick={() => dialog.current.close()}>Cancel</button>
        </div>
        <p className="hint">{isNew ? 'Already have an account?' : 'New here?'} <button type="button" className="link" onClick={() => { setNew(!isNew); setProblem(''); }}>{isNew ? 'Sign in' : 'Create an account'}</button></p>
      </form>
    </dialog>
  );
}
