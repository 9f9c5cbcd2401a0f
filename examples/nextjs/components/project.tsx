"use client";
import { useId, useRef } from "react";
import { randomId } from "@/lib/store";
import type { Project, Section } from "@/lib/sync";
import { EditableText } from "./editable-text";
import { Icon } from "./icon";
import { show } from "./view";
import { useWorkspace } from "./workspace";

/** A button that opens a small menu. */
export function Menu({ label, children }: { label: string; children: React.ReactNode }) {
  const id = useId();
  const menu = useRef<HTMLDivElement>(null);
  return (
    <>
      <button type="button" className="icon" aria-label={label} popoverTarget={id}><Icon name="more" /></button>
      <div ref={menu} id={id} popover="auto" className="menu" onClick={() => menu.current?.hidePopover()}>{children}</div>
    </>
  );
}

/** A project's name above its list, and what can be done with it. */
export function ProjectTitle({ project: { id, name, color, archivedAt, deletedAt } }: { project: Project }) {
  const { change, canWrite, canPurge } = useWorkspace();
  const gone = (said: string) => {
    show({ list: "", task: "" });
    change(said === "Archived" ? "archiveProject" : "deleteProject", { id }, `${said} “${name}”`);
  };
  return (
    <>
      <h1><i className="dot" style={{ background: color }} /><EditableText text={name} label="name" maxLength={100} disabled={!canWrite || deletedAt !== null} save={(text) => change("updateProject", { id, name: text })} /></h1>
      {archivedAt && <span className="note">Archived <button type="button" disabled={!canWrite} onClick={() => change("unarchiveProject", { id })}>Bring back</button></span>}
      {canWrite && !deletedAt && (
        <Menu label={`More for project “${name}”`}>
          <button type="button" onClick={() => change("createSection", { id: randomId(), projectId: id, name: "New section" })}>Add a section</button>
          {!archivedAt && <button type="button" onClick={() => gone("Archived")}>Archive the project</button>}
          {canPurge && <button type="button" className="danger" onClick={() => gone("Deleted")}>Delete the project</button>}
        </Menu>
      )}
    </>
  );
}

/** A section's name above its tasks. */
export function SectionTitle({ section: { id, name } }: { section: Section }) {
  const { change, canWrite } = useWorkspace();
  return (
    <div className="section-title">
      <h2><EditableText text={name} label="name" maxLength={100} disabled={!canWrite} save={(text) => change("updateSection", { id, name: text })} /></h2>
      {canWrite && (
        <Menu label={`More for section “${name}”`}>
          <button type="button" className="danger" onClick={() => change("deleteSection", { id })}>Delete the section, keep its tasks</button>
        </Menu>
      )}
    </div>
  );
}
