import { useCallback, useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import 'graphiql/style.css';
import './app.css';
import { Account } from './account.jsx';
import { Editors } from './editors.jsx';
import { newFetcher } from './fetcher.js';
import { Mark, PanelIcon } from './icons.jsx';
import { isNarrow, Page, useNarrow } from './page.js';
import { TasksPanel } from './panel.jsx';
import { setAccount } from './session.js';
import { samples, settings } from './settings.js';
import { Hint, TOUR_PLUGIN } from './tour.jsx';

// Monaco's workers are files of this server: the policy allows neither blob: nor another host.
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(`/playground/assets/${WORKERS[label] ?? WORKERS.editor}`),
};

// The panes' proportions, as GraphiQL keeps them when they are dragged: its own defaults leave the editor less room.
for (const [pane, proportion] of Object.entries({ docExplorerFlex: '0.3', editorFlex: '1.2' })) {
  if (localStorage.getItem(`graphiql:${pane}`) === null) localStorage.setItem(`graphiql:${pane}`, proportion);
}

const plugins = [TOUR_PLUGIN, HISTORY_PLUGIN];
const narrow = isNarrow();

// Whether the tasks are shown: as they were left, at first if there is room for them.
const showsKey = 'taskql:showsTasks';
const showsAtFirst = (localStorage.getItem(showsKey) ?? String(innerWidth >= 1200)) === 'true';

function App() {
  const [notice, setNotice] = useState(null);
  const [viewer, setViewer] = useState(undefined); // undefined: not known yet
  const [asking, setAsking] = useState(false);
  const [showsTasks, setShowsTasks] = useState(showsAtFirst);
  const isCovered = useNarrow() && showsTasks;
  const fetcher = useMemo(() => newFetcher(setNotice), []);
  const refresh = useCallback(async () => {
    try {
      const answer = await fetcher.send({ query: '{ viewer { id name email timeZone } }' });
      if (answer.data) setAccount(answer.data.viewer);
      setViewer(answer.data?.viewer ?? null);
    } catch {
      setViewer(null);
    }
  }, [fetcher]);
  useEffect(() => { refresh(); }, [refresh]);
  const page = useMemo(() => ({ viewer, askSignIn: () => setAsking(true), tell: setNotice, showsTasks }), [viewer, showsTasks]);
  return (
    <Page.Provider value={page}>
      <header className="bar">
        <h1><Mark />taskql<span className="where">playground</span></h1>
        <code className="endpoint" title="Where this page sends its operations">POST {settings.endpoint}</code>
        <button type="button" id="toggle-tasks" className="quiet" aria-expanded={showsTasks} aria-controls="tasks" onClick={() => { setShowsTasks(!showsTasks); localStorage.setItem(showsKey, !showsTasks); }}><PanelIcon /><span>Tasks</span></button>
        <Account viewer={viewer} asking={asking} setAsking={setAsking} changed={() => { setNotice(null); refresh(); }} />
      </header>
      {notice && (
        <div className="notice" role="alert" data-kind={notice.kind}>
          <p><strong>{notice.title}</strong> {notice.text}</p>
          {notice.kind === 'signed-out' && <button type="button" onClick={() => setAsking(true)}>Sign in</button>}
          <button type="button" className="quiet" aria-label="Close this message" onClick={() => setNotice(null)}>✕</button>
        </div>
      )}
      <div className="work">
        <main aria-label="GraphQL editor" inert={isCovered}>
          <GraphiQL
            fetcher={fetcher}
            plugins={plugins}
            visiblePlugin={narrow ? undefined : TOUR_PLUGIN}
            defaultTabs={[{ query: samples[0].query }]}
            defaultEditorToolsVisibility={narrow ? false : 'variables'}
            shouldPersistHeaders={false}
            maxHistoryLength={50}
            showPersistHeadersSettings={false}
            inputValueDeprecation
          >
            <GraphiQL.Logo><span /></GraphiQL.Logo>
            <GraphiQL.Footer><Hint /></GraphiQL.Footer>
            <Editors fetcher={fetcher} />
          </GraphiQL>
        </main>
        {showsTasks && <TasksPanel refresh={refresh} />}
      </div>
    </Page.Provider>
  );
}

createRoot(document.getElementById('app')).render(<App />);
