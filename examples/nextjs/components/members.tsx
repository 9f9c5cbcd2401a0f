"use client";
import { type FormEvent, useEffect, useRef, useState } from "react";
import { authClient } from "@/lib/auth-client";
import { roleNames } from "@/lib/roles";
import type { User } from "./app";

type Organization = typeof authClient.$Infer.ActiveOrganization;
type Role = keyof typeof roleNames;

const roles = Object.entries(roleNames) as [Role, string][];

/** The members of an organization, as Better Auth knows them: who they are, their roles, and who is invited. */
export function Members({ organizationId, name, user, onClose }: { organizationId: string; name: string; user: User; onClose(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [organization, setOrganization] = useState<Organization | null>(null);
  const [problem, setProblem] = useState("");
  const api = authClient.organization;
  const load = async () => {
    const { data, error } = await api.getFullOrganization({ query: { organizationId } });
    if (data) setOrganization(data as Organization);
    setProblem((before) => error?.message ?? before);
  };
  useEffect(() => {
    dialog.current?.showModal();
    void load();
  }, []);
  /** Does something, and shows what has become of it. */
  const run = async (change: Promise<{ error: { message?: string } | null }>) => {
    const { error } = await change;
    setProblem(error ? (error.message ?? "The server can’t be reached.") : "");
    await load();
    return !error;
  };
  const invite = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const data = new FormData(form);
    const email = String(data.get("email"));
    if (await run(api.inviteMember({ organizationId, email, role: String(data.get("role")) as Role }))) form.reset();
  };
  const copyLink = async (id: string, button: HTMLButtonElement) => {
    await navigator.clipboard.writeText(`${location.origin}/?invitation=${id}`);
    button.textContent = "Copied";
  };
  const mine = organization?.members.find(({ userId }) => userId === user.id);
  const canManage = mine?.role === "owner" || mine?.role === "admin";
  const invited = organization?.invitations.filter(({ status }) => status === "pending") ?? [];
  return (
    <dialog ref={dialog} onClose={onClose} aria-labelledby="members">
      <h2 id="members">Members of {name}</h2>
      {problem && <p role="alert" className="problem">{problem}</p>}
      <ul className="rows">
        {organization?.members.map((member) => (
          <li key={member.id}>
            <span>{member.user.name}<small>{member.user.email}</small></span>
            <select aria-label={`Role of ${member.user.name}`} value={member.role} disabled={!canManage || member.role === "owner"}
              onChange={({ target }) => void run(api.updateMemberRole({ organizationId, memberId: member.id, role: target.value as Role }))}>
              {roles.map(([role, name]) => <option key={role} value={role}>{name}</option>)}
            </select>
            {canManage && member.role !== "owner" && (
              <button type="button" className="danger" aria-label={`Remove ${member.user.name}`} onClick={() => void run(api.removeMember({ organizationId, memberIdOrEmail: member.id }))}>Remove</button>
            )}
          </li>
        ))}
        {invited.map(({ id, email }) => (
          <li key={id}>
            <span>{email}<small>invited</small></span>
            <button type="button" onClick={({ currentTarget }) => void copyLink(id, currentTarget)}>Copy the link</button>
            {canManage && <button type="button" aria-label={`Cancel the invitation of ${email}`} onClick={() => void run(api.cancelInvitation({ invitationId: id }))}>Cancel</button>}
          </li>
        ))}
      </ul>
      {canManage && (
        <form className="row" onSubmit={(event) => void invite(event)}>
          <input name="email" type="email" required aria-label="E-mail of a new member" placeholder="E-mail" />
          <select name="role" aria-label="Role of the new member" defaultValue="member">
            {roles.filter(([role]) => role !== "owner").map(([role, name]) => <option key={role} value={role}>{name}</option>)}
          </select>
          <button className="primary">Invite</button>
        </form>
      )}
      {canManage && <p className="note">Send the link to whom you invite. It is for that address alone.</p>}
      <p className="buttons"><button type="button" onClick={() => dialog.current?.close()}>Close</button></p>
    </dialog>
  );
}
