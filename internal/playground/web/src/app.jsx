import { useCallback, useEffect, useMemo, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import 'graphiql/style.css';
import './app.css';
import { Account } from './account.jsx';
import { newFetcher } from './fetcher.js';
import { settings } from './settings.js';
import { TOUR_PLUGIN } from './tour.jsx';
import { Mark } from './icons.jsx';

// Monaco's workers are files of this server: the policy allows neither blob: nor another host.
globalThis.MonacoEnvironment = {
  getWorker: (_id, label) => new Worker(`/playground/assets/${WORKERS[label] ?? WORKERS.editor}`),
};

const plugins = [TOUR_PLUGIN, HISTORY_PLUGIN];
const narrow = matchMedia('(max-width: 760px)').matches;

function App() {
  const [notice, setNotice] = useState(null);
  const [viewer, setViewer] = useState(undefined); // undefined: not known yet
  const [asking, setAsking] = useState(false);
  const fetcher = useMemo(() => newFetcher(setNotice), []);
  const refresh = useCallback(async () => {
    try {
      const answer = await fetcher.send({ query: '{ viewer { name email } }' });
      setViewer(answer.data?.viewer ?? null);
    } catch {
      setViewer(null);
    }
  }, [fetcher]);
  useEffect(() => { refresh(); }, [refresh]);
  const first = settings.samples[0];
  return (
    <>
      <header className="bar">
        <h1><Mark />taskql<span className="where">playground</span></h1>
        <code className="endpoint" title="Where this page sends its operations">POST {settings.endpoint}</code>
        <Account viewer={viewer} asking={asking} setAsking={setAsking} changed={() => { setNotice(null); refresh(); }} />
      </header>
      {notice && (
        <div className="notice" role="alert" data-kind={notice.kind}>
          <p><strong>{notice.title}</strong> {notice.text}</p>
          {notice.kind === 'signed-out' && <button type="button" onClick={() => setAsking(true)}>Sign in</button>}
          <button type="button" className="quiet" aria-label="Close this message" onClick={() => setNotice(null)}>✕</button>
        </div>
      )}
      <main aria-label="GraphQL editor">
        <GraphiQL
          fetcher={fetcher}
          plugins={plugins}
          visiblePlugin={narrow ? undefined : TOUR_PLUGIN}
          defaultTabs={[{ query: first.query, variables: first.variables || undefined }]}
          defaultEditorToolsVisibility={narrow ? false : 'variables'}
          shouldPersistHeaders={false}
          showPersistHeadersSettings={false}
          inputValueDeprecation
        >
          <GraphiQL.Logo><span /></GraphiQL.Logo>
        </GraphiQL>
      </main>
    </>
  );
}

createRoot(document.getElementById('app')).render(<App />);
