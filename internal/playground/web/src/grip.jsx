import { GripIcon } from './icons.jsx';

/** The button by which a row is dragged, or moved with the arrow keys. With a reason it can't be moved. */
export function Grip({ name, row, drag, reason }) {
  const onKeyDown = (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    drag.step(row, by);
  };
  return (
    <button type="button" className="grip" data-control="grip" disabled={reason !== undefined} aria-label={`Move “${name}”: arrow keys up and down`} title={reason ?? 'Drag, or press the arrow keys'}
      onKeyDown={onKeyDown} onPointerDown={(event) => drag.start(event, row)}><GripIcon /></button>
  );
}
