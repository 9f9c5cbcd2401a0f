"use client";
import { type FormEvent, useRef, useState } from "react";
import { authClient } from "@/lib/auth-client";
import type { HomeQuery } from "@/lib/gql/graphql";
import type { User } from "./app";
import { Members } from "./members";
import { showWorkspace } from "./view";
import { useWorkspace } from "./workspace";

/** The viewer's workspaces that are not shown. */
export type Others = HomeQuery["workspaces"];

/** Shows the workspace, switches to others, and makes new ones. */
export function WorkspaceMenu({ user, others, refetch }: { user: User; others: Others; refetch(): void }) {
  const { id: current, name, isShared } = useWorkspace();
  const menu = useRef<HTMLDivElement>(null);
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState("");
  const [asksMembers, setAsksMembers] = useState(false);
  const open = (id: string) => {
    menu.current?.hidePopover();
    showWorkspace(id);
  };
  const create = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const title = String(new FormData(event.currentTarget).get("name")).trim();
    const slug = `${title.toLowerCase().replace(/[^a-z0-9]+/g, "-")}-${crypto.randomUUID().slice(0, 8)}`;
    const { data, error } = await authClient.organization.create({ name: title, slug });
    if (!data) return setProblem(error.message ?? "The server can’t be reached.");
    dialog.current?.close();
    refetch();
    open(`organization/${data.id}`);
  };
  return (
    <>
      <button type="button" className="workspace" popoverTarget="workspaces" onClick={refetch}>
        <span>{name}</span><i aria-hidden="true">▾</i>
      </button>
      <div ref={menu} id="workspaces" popover="auto" className="menu">
        <button type="button" aria-current="true" onClick={() => menu.current?.hidePopover()}>{name}</button>
        {others.map((other) => (
          <button key={other.id} type="button" onClick={() => open(other.id)}>{other.name}{other.kind === "PERSONAL" && <small> only you</small>}</button>
        ))}
        <hr />
        {isShared && <button type="button" onClick={() => { menu.current?.hidePopover(); setAsksMembers(true); }}>Members of {name} …</button>}
        <button type="button" onClick={() => { menu.current?.hidePopover(); dialog.current?.showModal(); }}>New shared workspace …</button>
      </div>
      <dialog ref={dialog} aria-labelledby="new-workspace">
        <form onSubmit={(event) => void create(event)}>
          <h2 id="new-workspace">New shared workspace</h2>
          <label>Name <input name="name" required maxLength={100} placeholder="Family, team, …" /></label>
          {problem && <p role="alert" className="problem">{problem}</p>}
          <p className="buttons"><button type="button" onClick={() => dialog.current?.close()}>Cancel</button><button className="primary">Create</button></p>
        </form>
      </dialog>
      {asksMembers && <Members name={name} organizationId={current.replace("organization/", "")} user={user} onClose={() => { setAsksMembers(false); refetch(); }} />}
    </>
  );
}
