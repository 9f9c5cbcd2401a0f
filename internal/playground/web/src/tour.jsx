import { useSyncExternalStore } from 'react';
import { formatShortcutForOS, pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { PlayIcon, TourIcon } from './icons.jsx';
import { usePage } from './page.js';
import { fill, useDone } from './session.js';
import { sampleOf, samples, settings } from './settings.js';

const isSampleText = (query) => query.trim() === '' || samples.some((s) => s.query.trim() === query.trim());

/** Returns the sample in the editor, if there is one, and functions that open a sample, and open and run it. */
function useSteps() {
  const { queryEditor, variableEditor, responseEditor } = useGraphiQL(pick('queryEditor', 'variableEditor', 'responseEditor'));
  const current = sampleOf(useGraphiQL((state) => state.tabs[state.activeTabIndex]?.title));
  const { addTab, run, stop, updateActiveTabValues } = useGraphiQLActions();
  const open = (sample) => {
    stop(); // A subscription that runs would write its results below this sample.
    // What was written by hand stays: the sample gets a tab of its own then.
    if (!isSampleText(queryEditor.getValue())) addTab();
    const variables = sample.variables ? JSON.stringify(fill(JSON.parse(sample.variables)).filled, null, 2) : '';
    queryEditor.setValue(sample.query);
    variableEditor.setValue(variables);
    responseEditor.setValue('');
    updateActiveTabValues({ query: sample.query, variables, operationName: sample.operation, response: '' });
  };
  const openAndRun = (sample) => {
    open(sample);
    run();
  };
  return { current, open, openAndRun, run };
}

function Tour() {
  const { viewer, askSignIn } = usePage();
  const { current, open, openAndRun } = useSteps();
  const done = useDone();
  return (
    <section className="tour" aria-label="Tour of sample operations">
      <h2 className="tour-title">Tour</h2>
      <p className="hint">
        {viewer && 'Each step builds on those before it.'}
        {viewer === null && (settings.signIn ? <><button type="button" className="link" onClick={askSignIn}>Sign in</button>, then run these in order.</> : 'Sign in at your frontend, then run these in order.')}
      </p>
      <p className="progress"><progress max={samples.length} value={done.length} aria-label="Finished steps" /><span>{done.length} of {samples.length} done</span></p>
      <ol>
        {samples.map((sample) => (
          <li key={sample.name} aria-current={current === sample ? 'step' : undefined} data-done={done.includes(sample.name)}>
            <button type="button" className="sample" data-sample={sample.name} onClick={() => open(sample)}>
              <strong>{sample.title}{done.includes(sample.name) && <span className="sr"> (done)</span>}</strong>
              <span className="about">{sample.about}</span>
            </button>
            <button type="button" className="run" aria-label={`Run “${sample.title}”`} title="Open and run" onClick={() => openAndRun(sample)}><PlayIcon /></button>
          </li>
        ))}
      </ol>
    </section>
  );
}

export const TOUR_PLUGIN = { title: 'Tour', icon: TourIcon, content: Tour };

/** Shows in the answer's pane what the operation does and how to run it, and below an answer which step is next. */
export function Hint() {
  const { viewer, askSignIn } = usePage();
  const { current, open, run } = useSteps();
  const done = useDone();
  const isFetching = useGraphiQL((state) => state.isFetching);
  const isEmpty = useIsEmpty(useGraphiQL((state) => state.responseEditor));
  if (isFetching) return null;
  if (!isEmpty) {
    if (!current || !done.includes(current.name)) return null;
    const next = samples[current.number];
    return next
      ? <p className="next"><span>Next: <strong>{next.title}</strong></span><button type="button" onClick={() => open(next)}>Open step {next.number}</button></p>
      : <p className="next">This was the last step. The documentation, behind the book icon, has every field.</p>;
  }
  const mustSignIn = settings.signIn && viewer === null && current?.needsAccount;
  return (
    <div className="card">
      {current ? <><p className="count">Step {current.number} of {samples.length}</p><h2>{current.title}</h2><p>{current.about}</p></> : <><h2>The answer shows here</h2><p>Run the operation in the editor.</p></>}
      {mustSignIn ? <button type="button" onClick={askSignIn}>Sign in to run it</button> : <button type="button" onClick={run}><PlayIcon />Run it</button>}
      <ul>
        <li><kbd>{formatShortcutForOS('Ctrl', 'Cmd')}</kbd> <kbd>Enter</kbd> runs the operation</li>
        <li><kbd>Ctrl</kbd> <kbd>Space</kbd> completes a name</li>
      </ul>
    </div>
  );
}

function useIsEmpty(editor) {
  return useSyncExternalStore(
    (changed) => {
      const subscription = editor?.onDidChangeModelContent(changed);
      return () => subscription?.dispose();
    },
    () => !editor || editor.getValue() === '',
  );
}
