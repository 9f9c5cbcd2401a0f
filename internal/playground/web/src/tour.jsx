import { useState } from 'react';
import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { TourIcon } from './icons.jsx';
import { fill } from './seen.js';
import { settings } from './settings.js';

const isSample = (query) => query.trim() === '' || settings.samples.some((s) => s.query.trim() === query.trim());

function Tour() {
  const { queryEditor, variableEditor } = useGraphiQL(pick('queryEditor', 'variableEditor'));
  const { addTab, run, setVisiblePlugin } = useGraphiQLActions();
  const [current, setCurrent] = useState(settings.samples[0].name);
  const open = (sample) => {
    // What was written by hand stays: the sample gets a tab of its own then.
    if (!isSample(queryEditor.getValue())) addTab();
    queryEditor.setValue(sample.query);
    variableEditor.setValue(sample.variables ? JSON.stringify(fill(JSON.parse(sample.variables)).filled, null, 2) : '');
    setCurrent(sample.name);
    if (matchMedia('(max-width: 760px)').matches) setVisiblePlugin(null);
  };
  return (
    <section className="tour" aria-label="Tour of sample operations">
      <h2 className="tour-title">Tour</h2>
      <p className="hint">{settings.signIn ? 'Sign in at the top right, then run these in order.' : 'Sign in at your frontend, then run these in order.'}</p>
      <ol>
        {settings.samples.map((sample) => (
          <li key={sample.name} aria-current={current === sample.name ? 'step' : undefined}>
            <button type="button" className="sample" data-sample={sample.name} onClick={() => open(sample)}>
              <strong>{sample.title}</strong>
              <span>{sample.about}</span>
            </button>
            <button type="button" className="run" aria-label={`Run “${sample.title}”`} title="Open and run" onClick={() => { open(sample); setTimeout(run, 50); }}>
              <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true"><path d="M4 2.5v11l9-5.5z" fill="currentColor" /></svg>
            </button>
          </li>
        ))}
      </ol>
    </section>
  );
}

export const TOUR_PLUGIN = { title: 'Tour', icon: TourIcon, content: Tour };
