/** The manual order of tasks, projects and sections. */
export function byPosition(a: { position: string; id: string }, b: { position: string; id: string }): number {
  if (a.position !== b.position) return a.position < b.position ? -1 : 1;
  return a.id < b.id ? -1 : 1;
}

/** A key that is sorted between two others, until the server has chosen one. Without `after`, it is sorted behind `before`. */
export function keyBetween(before: string, after?: string): string {
  if (!after?.startsWith(before) || after === before) return `${before}\x7f`;
  const [first, rest] = [after.charCodeAt(before.length), after.slice(before.length + 1)];
  if (first > 1) return before + String.fromCharCode(first >> 1);
  return first === 1 ? `${before}\0\x7f` : `${before}\0${keyBetween("", rest)}`;
}
