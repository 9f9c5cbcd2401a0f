export const Mark = () => (
  <svg className="mark" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" /><path d="M9 16.5l5 5 9-11" /></svg>
);

export const TourIcon = () => (
  <svg viewBox="0 0 24 24" width="20" height="20" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
    <path d="M4 6.5l1.5 1.5L8 5.5M4 12.5l1.5 1.5L8 11.5M4 18.5l1.5 1.5L8 17.5M11.5 7H20M11.5 13H20M11.5 19H20" />
  </svg>
);

export const PlayIcon = () => (
  <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true"><path d="M4 2.5v11l9-5.5z" fill="currentColor" /></svg>
);

export const GripIcon = () => (
  <svg viewBox="0 0 8 14" width="8" height="14" fill="currentColor" aria-hidden="true">
    {[2, 7, 12].map((y) => [1.5, 6.5].map((x) => <circle key={`${x} ${y}`} cx={x} cy={y} r="1.3" />))}
  </svg>
);

export const PanelIcon = () => (
  <svg viewBox="0 0 20 20" width="18" height="18" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
    <rect x="2.5" y="3.5" width="15" height="13" rx="2.5" /><path d="M11.5 3.5v13M13.8 7.5h1.4M13.8 10.5h1.4" />
  </svg>
);

export const RepeatIcon = () => (
  <svg viewBox="0 0 16 16" width="11" height="11" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
    <path d="M2.5 8V6.5a3 3 0 0 1 3-3h8M11 1l2.5 2.5L11 6M13.5 8v1.5a3 3 0 0 1-3 3h-8M5 15l-2.5-2.5L5 10" />
  </svg>
);

export const ClockIcon = () => (
  <svg viewBox="0 0 16 16" width="14" height="14" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
    <circle cx="8" cy="8" r="6.2" /><path d="M8 4.5V8l2.5 1.5" />
  </svg>
);

export const EditIcon = () => (
  <svg viewBox="0 0 16 16" width="14" height="14" fill="none" stroke="currentColor" strokeWidth="1.4" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
    <path d="M10.8 2.8l2.4 2.4M2.8 13.2l.6-3 7.4-7.4 2.4 2.4-7.4 7.4z" />
  </svg>
);

export const PeopleIcon = () => (
  <svg viewBox="0 0 20 20" width="18" height="18" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
    <circle cx="7.5" cy="7" r="2.8" /><path d="M2 16.5c0-3 2.4-4.8 5.5-4.8s5.5 1.8 5.5 4.8M12.6 4.4a2.8 2.8 0 0 1 0 5.2M15 12.2c1.9.7 3 2.2 3 4.3" />
  </svg>
);
