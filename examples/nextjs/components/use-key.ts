import { type RefObject, useEffect } from "react";

/** A key that brings the focus to a field, unless something is being typed. */
export function useKey(wanted: string, field: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { key, ctrlKey, metaKey, altKey, target } = event;
      if (key !== wanted || ctrlKey || metaKey || altKey || (target as Element).matches("input, textarea, select")) return;
      event.preventDefault(); // the key isn't meant for the field
      field.current?.focus();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [wanted, field]);
}
