import { useEffect, useRef, useState } from 'react';
import { settings } from './settings.js';
import { forgetTasks } from './tasks.js';

async function post(path, body) {
  const response = await fetch(`/api/auth/${path}`, {
    method: 'POST', credentials: 'same-origin', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body),
  });
  if (response.ok) return;
  const answer = await response.json().catch(() => ({}));
  throw new Error(answer.message ?? `The server answered HTTP ${response.status}.`);
}

/** Shows who is signed in and, if the server has its own sign-in, the buttons to sign in and out. */
export function Account({ viewer, asking, setAsking, changed }) {
  const [problem, setProblem] = useState('');
  const signOut = async () => {
    try {
      await post('sign-out', {});
      await forgetTasks();
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
      {settings.signIn && viewer && <button type="button" id="sign-out" className="quiet" onClick={signOut}>Sign out</button>}
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
      await (isNew ? post('sign-up/email', { name, email, password }) : post('sign-in/email', { email, password }));
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
