import { useEffect, useEffectEvent } from "react";

/** Acts when a key is pressed, such as "n" or "Control+z": not while something is being typed, unless it is Escape, or a menu or dialog is open. */
export function useKey(wanted: string, act: () => void): void {
  const onWanted = useEffectEvent(act);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const { key, ctrlKey, metaKey, altKey, target, defaultPrevented, isComposing } = event;
      if ((ctrlKey || metaKey ? "Control+" : "") + key !== wanted || altKey || defaultPrevented || isComposing || document.querySelector(":modal, :popover-open")) return;
      if (key !== "Escape" && (target as Element).matches('input:not([type="checkbox"]), textarea, select')) return;
      event.preventDefault(); // the key isn't meant for the field that it leads to
      onWanted();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [wanted]);
}
