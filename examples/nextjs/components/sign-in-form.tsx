"use client";
import { useActionState, useEffect, useState } from "react";
import { authClient } from "@/lib/auth-client";

const fields = (form?: FormData) => ["name", "email", "password"].map((name) => String(form?.get(name) ?? "")) as [string, string, string];

/** Signs in, or up. */
export function SignInForm() {
  const [isNew, setIsNew] = useState(false);
  useEffect(() => localStorage.clear(), []); // what a tab has kept while another one signed out
  const [failed, submit, isBusy] = useActionState(async (_: unknown, form: FormData) => {
    const [name, email, password] = fields(form);
    const { error } = isNew ? await authClient.signUp.email({ name, email, password }) : await authClient.signIn.email({ email, password });
    if (error) return { problem: error.message ?? "The server can’t be reached.", form };
    location.assign(`/${location.search}`); // with an invitation
    return undefined;
  }, undefined);
  const [name, email] = fields(failed?.form); // after a failure they stay in their fields
  return (
    <form action={submit} className="card">
      <h2>{isNew ? "Create an account" : "Sign in"}</h2>
      {isNew && <label>Name <input name="name" autoComplete="name" defaultValue={name} required /></label>}
      <label>E-mail <input name="email" type="email" autoComplete="email" defaultValue={email} required /></label>
      <label>Password <input name="password" type="password" autoComplete={isNew ? "new-password" : "current-password"} minLength={8} required /></label>
      {failed && <p role="alert" className="problem">{failed.problem}</p>}
      <button className="primary" disabled={isBusy}>{isNew ? "Sign up" : "Sign in"}</button>
      <button type="button" className="link" onClick={() => setIsNew(!isNew)}>{isNew ? "I have an account" : "I am new here"}</button>
    </form>
  );
}
