import { useEffect, useRef, useState } from 'react';
import { randomId } from '../../../../examples/sync/store.ts';
import { useDrag } from './drag.js';
import { Grip } from './grip.jsx';
import { EditIcon } from './icons.jsx';
import { chooseProject, chooseWorkspace } from './session.js';
import { byPosition } from './tasks.js';
import { adminsOnly, readOnly, roles, useWorkspaces } from './workspaces.js';

// The panel's switch of the workspace and the project, and the dialog of a project.

/** The choice of the workspace, if there is more than one. */
export function WorkspaceSwitch({ refresh }) {
  const { all, chosen } = useWorkspaces();
  if (all.length < 2) return null;
  const words = ({ kind, name, role }) => (kind === 'PERSONAL' ? name : `${name} (${roles[role]})`);
  return (
    <select className="workspace" aria-label="Workspace" value={chosen.id ?? ''} onFocus={refresh} onChange={({ target }) => chooseWorkspace(target.value || null)}>
      {all.map((workspace) => <option key={workspace.id} value={workspace.id ?? ''}>{words(workspace)}</option>)}
    </select>
  );
}

/** Returns the projects in their order outside the trash, and how many open tasks each has; '' has those of all that are not archived. */
export function survey(projects, tasks) {
  const shown = projects.filter(({ deletedAt }) => !deletedAt).sort(byPosition);
  const archived = new Set(shown.filter(({ archivedAt }) => archivedAt).map(({ id }) => id));
  const open = new Map();
  const count = (id) => open.set(id, (open.get(id) ?? 0) + 1);
  for (const { completed, deletedAt, project, section } of tasks) {
    if (completed || deletedAt) continue;
    if (project) count(project.id);
    if (section) count(section.id);
    if (!archived.has(project?.id)) count('');
  }
  return { active: shown.filter(({ id }) => !archived.has(id)), archived: shown.filter(({ id }) => archived.has(id)), open };
}

/** The heading, which is the button that opens the list of projects. */
export function ProjectSwitch({ store, projects, chosen, mayWrite }) {
  const button = useRef(null);
  const list = useRef(null);
  const place = ({ newState }) => {
    if (newState !== 'open') return;
    const { left, width } = button.current.closest('.tasks').getBoundingClientRect();
    const { bottom } = button.current.getBoundingClientRect();
    Object.assign(list.current.style, { left: `${left + 8}px`, top: `${bottom + 4}px`, width: `${width - 16}px`, maxHeight: `${innerHeight - bottom - 16}px` });
  };
  const choose = (id) => {
    chooseProject(id);
    list.current.hidePopover();
  };
  const create = (event) => {
    event.preventDefault();
    const field = event.target.elements.name;
    const name = field.value.trim();
    if (name === '') return;
    const id = randomId();
    store.mutate('createProject', { id, name, workspaceId: store.workspaceId });
    field.value = '';
    choose(id);
  };
  const drag = useDrag(list, 'data-project', projects.active, (input) => store.mutate('moveProject', input));
  const item = (project) => (
    <li key={project?.id ?? ''} {...(project && drag.marks(project.id))}>
      {project && !project.archivedAt ? <Grip name={project.name} row={project} drag={drag} reason={mayWrite ? undefined : readOnly} /> : <span className="grip" />}
      <button type="button" className="choice" data-project={project?.id ?? ''} aria-current={chosen?.id === project?.id ? 'true' : undefined} onClick={() => choose(project?.id ?? null)}>
        <Dot project={project} /><span className="name">{project?.name ?? 'All tasks'}</span><Count of={projects.open.get(project?.id ?? '')} />
      </button>
    </li>
  );
  return (
    <>
      <h2 id="tasks-title">
        <button type="button" className="project" ref={button} popoverTarget="projects" title={chosen?.name ?? 'Choose a project'}>
          {chosen && <Dot project={chosen} />}<span className="name">{chosen?.name ?? 'All tasks'}</span><span className="arrow" aria-hidden="true">▾</span>
        </button>
      </h2>
      <div id="projects" ref={list} popover="auto" role="group" aria-label="Projects" onBeforeToggle={place}>
        <ul aria-label="Projects" data-dragging={drag.isDragging}>{[null, ...projects.active].map(item)}</ul>
        {projects.archived.length > 0 && <details><summary>Archived ({projects.archived.length})</summary><ul aria-label="Archived projects">{projects.archived.map(item)}</ul></details>}
        <form onSubmit={create}>
          <fieldset disabled={!mayWrite} title={mayWrite ? undefined : readOnly}>
            <input name="name" aria-label="New project" placeholder="New project" maxLength={100} autoComplete="off" />
            <button type="submit">Add</button>
          </fieldset>
        </form>
      </div>
    </>
  );
}

export const Dot = ({ project }) => <span className="dot" style={{ '--color': project?.color }} aria-hidden="true" />;

const Count = ({ of = 0 }) => <span className="count">{of}<span className="sr"> open</span></span>;

/** The button that opens the dialog of the chosen project. */
export function EditProject({ store, project, sections, role }) {
  const [editing, setEditing] = useState(false);
  return (
    <>
      <button type="button" className="edit" aria-haspopup="dialog" aria-label={`The project “${project.name}”`} title="Rename, sections, archive, delete" onClick={() => setEditing(true)}><EditIcon /></button>
      {editing && <ProjectDialog store={store} project={project} sections={sections} role={role} close={() => setEditing(false)} />}
    </>
  );
}

function ProjectDialog({ store, project, sections, role, close }) {
  const dialog = useRef(null);
  useEffect(() => { dialog.current.showModal(); }, []);
  const mayWrite = role !== 'READ';
  const mayDelete = role === 'ADMIN';
  const { id, name, color, archivedAt } = project;
  const save = (event) => {
    event.preventDefault();
    const input = Object.fromEntries(new FormData(event.target));
    if (input.name.trim() !== '') store.mutate('updateProject', { id, name: input.name.trim(), color: input.color });
    dialog.current.close();
  };
  const archive = () => {
    store.mutate(archivedAt ? 'unarchiveProject' : 'archiveProject', { id });
    if (!archivedAt) chooseProject(null);
    dialog.current.close();
  };
  const remove = () => {
    store.mutate('deleteProject', { id });
    chooseProject(null);
    dialog.current.close();
  };
  const addSection = (event) => {
    event.preventDefault();
    const field = event.target.elements.section;
    if (field.value.trim() !== '') store.mutate('createSection', { id: randomId(), projectId: id, name: field.value.trim() });
    field.value = '';
  };
  const rename = (section, field) => {
    const text = field.value.trim();
    if (text === '') field.value = section.name;
    else if (text !== section.name) store.mutate('updateSection', { id: section.id, name: text });
  };
  const list = useRef(null);
  const drag = useDrag(list, 'data-section', sections, (input) => store.mutate('moveSection', input));
  return (
    <dialog ref={dialog} className="project-dialog" aria-labelledby="project-title" onClose={close}>
      <h3 id="project-title">{name}</h3>
      {!mayWrite && <p className="preview">{readOnly}</p>}
      <fieldset disabled={!mayWrite}>
        <form onSubmit={save}>
          <label>Name<input name="name" defaultValue={name} required maxLength={100} autoComplete="off" /></label>
          <label>Color<input name="color" type="color" defaultValue={color} /></label>
          <div className="row"><button type="submit">Save</button></div>
        </form>
        <section aria-labelledby="sections-title">
          <h4 id="sections-title">Sections</h4>
          <ul className="sections" ref={list} data-dragging={drag.isDragging}>
            {sections.map((section) => (
              <li key={section.id} data-section={section.id} {...drag.marks(section.id)}>
                <Grip name={section.name} row={section} drag={drag} />
                <input aria-label={`Name of the section “${section.name}”`} defaultValue={section.name} maxLength={100} onBlur={({ target }) => rename(section, target)}
                  onKeyDown={({ key, target }) => { if (key === 'Enter') rename(section, target); }} />
                <button type="button" className="delete" aria-label={`Delete the section “${section.name}”`} title="Delete: its tasks stay in the project" onClick={() => store.mutate('deleteSection', { id: section.id })}>✕</button>
              </li>
            ))}
          </ul>
          <form className="remind" onSubmit={addSection}>
            <input name="section" aria-label="New section" placeholder="New section" maxLength={100} autoComplete="off" />
            <button type="submit" className="quiet">Add</button>
          </form>
        </section>
      </fieldset>
      <div className="row">
        <button type="button" className="quiet" disabled={!mayWrite} onClick={archive}>{archivedAt ? 'Unarchive' : 'Archive'}</button>
        <button type="button" className="quiet" disabled={!mayDelete} title={mayDelete ? undefined : adminsOnly} onClick={remove}>Delete</button>
        <button type="button" className="quiet end" onClick={() => dialog.current.close()}>Close</button>
      </div>
      {mayWrite && !mayDelete && <p className="preview">{adminsOnly}</p>}
    </dialog>
  );
}
