import { useEffect, useRef, useState } from 'react';

/**
 * Lets rows be dragged by mouse, pen or finger among those with the same parent, and calls move with the row, the id of the
 * one where it is dropped, and whether it goes behind that. Nothing moves before: a line shows where it would go. The rows
 * may change meanwhile.
 */
export function useDrag(list, rows, move) {
  const [state, setState] = useState({ id: null, target: null });
  const latest = useRef(null);
  latest.current = { rows, move };
  const dragged = useRef(null); // of the row that is dragged, what ends it
  useEffect(() => () => dragged.current?.(), []);

  const find = (row, y) => {
    const siblings = latest.current.rows.filter(({ parent, task }) => parent === row.parent && task.id !== row.task.id);
    let target = null;
    for (const { task } of siblings) {
      const element = list.current.querySelector(`[data-task="${task.id}"]`);
      if (!element) continue; // not shown
      const { top, height } = element.getBoundingClientRect();
      if (y < top + height / 2) return { id: task.id, side: 'before' };
      target = { id: task.id, side: 'after' };
    }
    return target;
  };

  const start = (event, row) => {
    if (event.button !== 0 || dragged.current) return;
    event.currentTarget.setPointerCapture(event.pointerId);
    const { pointerId, clientY: from } = event;
    let target = null;
    let moved = false;
    const onMove = (e) => {
      if (e.pointerId !== pointerId || (!moved && Math.abs(e.clientY - from) < 4)) return;
      moved = true;
      scroll(list.current, e.clientY);
      target = find(row, e.clientY);
      setState({ id: row.task.id, target });
    };
    const end = () => {
      dragged.current = null;
      for (const [name, listener] of Object.entries(listeners)) removeEventListener(name, listener);
      setState({ id: null, target: null });
    };
    const onUp = (e) => {
      if (e.pointerId !== pointerId) return;
      end();
      if (target && latest.current.rows.some(({ task }) => task.id === row.task.id)) latest.current.move(row, target.id, target.side === 'after');
    };
    const listeners = { pointermove: onMove, pointerup: onUp, pointercancel: end, keydown: (e) => { if (e.key === 'Escape') end(); } };
    for (const [name, listener] of Object.entries(listeners)) addEventListener(name, listener);
    dragged.current = end;
  };
  return { ...state, start };
}

/** Scrolls the list if the pointer is near one of its ends. */
function scroll(list, y) {
  const { top, bottom } = list.getBoundingClientRect();
  if (y < top + 32) list.scrollBy(0, -16);
  if (y > bottom - 32) list.scrollBy(0, 16);
}
