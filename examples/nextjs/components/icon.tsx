const paths = {
  grip: "M6 4h.01M10 4h.01M6 8h.01M10 8h.01M6 12h.01M10 12h.01",
  details: "M6 3.5 10.5 8 6 12.5",
  day: "M3 4.5h10v8.5H3zM3 7h10M5.5 3v2M10.5 3v2",
  repeat: "M3 8V6.5A2.5 2.5 0 0 1 5.5 4H13M11 2l2 2-2 2M13 8v1.5a2.5 2.5 0 0 1-2.5 2.5H3m2 2-2-2 2-2",
  bell: "M4 11V7a4 4 0 0 1 8 0v4l1 1H3zM7 14h2",
  person: "M8 8a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5M3.5 13.5a4.5 4.5 0 0 1 9 0",
  menu: "M2.5 4.5h11M2.5 8h11M2.5 11.5h11",
  close: "m4 4 8 8M12 4l-8 8",
  trash: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5 5 13h6l.5-8.5",
  all: "M3 4h10M3 8h10M3 12h6",
  week: "M3 4.5h10v8.5H3zM5.5 8h1M7.5 8h1M9.5 8h1M5.5 10.5h1M7.5 10.5h1",
  more: "M3.5 8h.01M8 8h.01M12.5 8h.01",
  plus: "M8 3.5v9M3.5 8h9",
};

/** A small picture beside a text, or in a button with a label. */
export function Icon({ name }: { name: keyof typeof paths }) {
  return (
    <svg className="symbol" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" fill="none" stroke="currentColor"
      strokeWidth={name === "grip" || name === "more" ? 2 : 1.4} strokeLinecap="round" strokeLinejoin="round"><path d={paths[name]} /></svg>
  );
}
