import { useEffect } from 'react';
import { pick, useGraphiQL, useGraphiQLActions } from '@graphiql/react';
import { isNarrow, isTight, usePage } from './page.js';

/** Sets up GraphiQL's editors. It shows nothing. */
export function Editors({ fetcher }) {
  const { queryEditor, variableEditor, headerEditor, responseEditor } = useGraphiQL(pick('queryEditor', 'variableEditor', 'headerEditor', 'responseEditor'));
  const { setVisiblePlugin, updateActiveTabValues } = useGraphiQLActions();

  // The history records the values of the tab, which follow the editors after a delay. An operation that is run within
  // that delay would be recorded twice: first with the values of the operation before it.
  useEffect(() => {
    fetcher.onSend = (query, operationName) => updateActiveTabValues({
      query, operationName: operationName ?? null, variables: variableEditor?.getValue() ?? null, headers: headerEditor?.getValue() ?? null,
    });
  }, [fetcher, variableEditor, headerEditor, updateActiveTabValues]);

  // By itself, an editor stays scrolled as it was if it gets another text.
  useEffect(() => {
    const subscriptions = [queryEditor, variableEditor, headerEditor, responseEditor].filter(Boolean).map((editor) => {
      editor.updateOptions({ wordWrap: 'on', fontSize: isNarrow() ? 13 : 14 });
      return editor.onDidChangeModelContent(({ isFlush }) => {
        if (isFlush) queueMicrotask(() => showCursor(editor)); // The caller may still set the cursor.
      });
    });
    return () => subscriptions.forEach((subscription) => subscription.dispose());
  }, [queryEditor, variableEditor, headerEditor, responseEditor]);

  // On a phone the plugins cover the editor: one that puts an operation into it, as the tour and the history do, closes.
  useEffect(() => {
    const subscription = queryEditor?.onDidChangeModelContent(({ isFlush }) => {
      if (isFlush && isNarrow()) setVisiblePlugin(null);
    });
    return () => subscription?.dispose();
  }, [queryEditor, setVisiblePlugin]);

  // Where the panel of tasks covers the answer, it gets the room of the plugin that is open.
  const { showsTasks } = usePage();
  useEffect(() => {
    if (showsTasks && isTight()) setVisiblePlugin(null);
  }, [showsTasks, setVisiblePlugin]);
  return null;
}

function showCursor(editor) {
  editor.setScrollPosition({ scrollTop: 0, scrollLeft: 0 });
  editor.revealPosition(editor.getPosition());
}
