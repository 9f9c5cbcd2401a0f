import { createContext, useContext, useSyncExternalStore } from 'react';

/**
 * What the parts of the page share: viewer is who is signed in, null if nobody is and undefined while that is not
 * known; askSignIn opens the sign-in dialog; tell shows a notice; showsTasks says whether the panel of tasks is open.
 */
export const Page = createContext({ viewer: undefined, askSignIn: () => {}, tell: () => {}, showsTasks: false });

export const usePage = () => useContext(Page);

const phone = matchMedia('(max-width: 760px)');

/** Reports whether the page is shown on a phone, as app.css does. */
export const isNarrow = () => phone.matches;

/** Reports whether there is no room for the tasks beside the editor, as panel.css does. */
export const isTight = () => matchMedia('(max-width: 1099px)').matches;

/** isNarrow in a component, which is rendered again if it changes. */
export const useNarrow = () => useSyncExternalStore(onPhoneChange, isNarrow);

function onPhoneChange(changed) {
  phone.addEventListener('change', changed);
  return () => phone.removeEventListener('change', changed);
}
