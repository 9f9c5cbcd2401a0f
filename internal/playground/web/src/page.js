import { createContext, useContext } from 'react';

/**
 * What the parts of the page share: viewer is who is signed in, null if nobody is and undefined while that is not
 * known; askSignIn opens the sign-in dialog.
 */
export const Page = createContext({ viewer: undefined, askSignIn: () => {} });

export const usePage = () => useContext(Page);

/** Reports whether the page is shown on a phone, as app.css does. */
export const isNarrow = () => matchMedia('(max-width: 760px)').matches;
