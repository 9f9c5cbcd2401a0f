"use client";
import { useActionState, useEffect, useState } from "react";
import { authClient } from "@/lib/auth-client";

/** Signs in, or up. */
export function SignInForm() {
  const [isNew, setIsNew] = useState(false);
  useEffect(() => localStorage.clear(), []); // what a tab has kept while another one signed out
  const [problem, submit, isBusy] = useActionState(async (_: string | undefined, form: FormData) => {
    const [name, email, password] = ["name", "email", "password"].map((field) => String(form.get(field) ?? "")) as [string, string, string];
    const { error } = isNew ? await authClient.signUp.email({ name, email, password }) : await authClient.signIn.email({ email, password });
    if (error) return error.message ?? "That didn’t work. Please try again.";
    location.assign(`/${location.search}`); // with an invitation
    return undefined;
  }, undefined);
  return (
    <form action={submit} className="card">
      <h2>{isNew ? "Create an account" : "Sign in"}</h2>
      {isNew && <label>Name <input name="name" autoComplete="name" required /></label>}
      <label>E-mail <input name="email" type="email" autoComplete="email" required /></label>
      <label>Password
        <input name="password" type="password" autoComplete={isNew ? "new-password" : "current-password"} minLength={8} required />
      </label>
      {problem && <p role="alert" className="problem">{problem}</p>}
      <button className="primary" disabled={isBusy}>{isNew ? "Sign up" : "Sign in"}</button>
      <button type="button" className="link" onClick={() => setIsNew(!isNew)}>
        {isNew ? "I have an account" : "I am new here"}
      </button>
    </form>
  );
}
