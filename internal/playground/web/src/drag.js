import { useEffect, useRef, useState } from 'react';

/**
 * Lets rows, which have an id and a parent, be moved among those with the same parent: dragged by mouse, pen or finger, or step by
 * step. It calls move with the row's id and its new place: afterId or beforeId. Nothing moves before: a line shows where it would
 * go. The rows may change meanwhile. Their elements in the list have their ids as an attribute.
 */
export function useDrag(list, attribute, rows, move) {
  const [state, setState] = useState({ id: null, target: null });
  const latest = useRef(null);
  latest.current = { rows, move };
  const dragged = useRef(null); // of the row that is dragged, what ends it
  useEffect(() => () => dragged.current?.(), []);

  const siblingsOf = (row) => latest.current.rows.filter(({ parent }) => parent === row.parent).map(({ id }) => id);

  const find = (row, y) => {
    let target = null;
    for (const id of siblingsOf(row)) {
      const element = id !== row.id && list.current.querySelector(`[${attribute}="${id}"]`);
      if (!element) continue; // itself, or not shown
      const { top, height } = element.getBoundingClientRect();
      if (y < top + height / 2) return { id, side: 'before' };
      target = { id, side: 'after' };
    }
    return target;
  };

  // Puts a row before or behind another one, unless it is there.
  const put = (row, target, isBehind) => {
    const siblings = siblingsOf(row);
    const others = siblings.filter((id) => id !== row.id);
    const place = others.indexOf(target) + (isBehind ? 1 : 0);
    if (place !== siblings.indexOf(row.id)) latest.current.move({ id: row.id, ...(place > 0 ? { afterId: others[place - 1] } : { beforeId: others[0] }) });
  };

  const step = (row, by) => {
    const siblings = siblingsOf(row);
    const target = siblings[siblings.indexOf(row.id) + by];
    if (target) put(row, target, by > 0);
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
      setState({ id: row.id, target });
    };
    const end = () => {
      dragged.current = null;
      for (const [name, listener] of Object.entries(listeners)) removeEventListener(name, listener);
      setState({ id: null, target: null });
    };
    const onUp = (e) => {
      if (e.pointerId !== pointerId) return;
      end();
      if (target && latest.current.rows.some(({ id }) => id === row.id)) put(row, target.id, target.side === 'after');
    };
    const onKeyDown = (e) => {
      if (e.key !== 'Escape') return;
      e.preventDefault(); // Else it would also close what the list is in.
      end();
    };
    const listeners = { pointermove: onMove, pointerup: onUp, pointercancel: end, keydown: onKeyDown };
    for (const [name, listener] of Object.entries(listeners)) addEventListener(name, listener);
    dragged.current = end;
  };
  const marks = (id) => ({ 'data-drop': state.target?.id === id ? state.target.side : undefined, 'data-dragged': state.id === id || undefined });
  return { isDragging: state.id !== null, marks, start, step };
}

/** Scrolls the list if the pointer is near one of its ends. */
function scroll(list, y) {
  const { top, bottom } = list.getBoundingClientRect();
  if (y < top + 32) list.scrollBy(0, -16);
  if (y > bottom - 32) list.scrollBy(0, 16);
}
