// What the server writes into the page: its endpoint, whether it has its own sign-in, and the samples.
export const settings = JSON.parse(document.getElementById('settings').textContent);

/** The steps of the tour. Each has an operation of its own, by whose name an operation in the editor is recognised. */
export const samples = settings.samples.map((sample, index) => ({
  ...sample,
  number: index + 1,
  operation: /(?:query|mutation|subscription) (\w+)/.exec(sample.query)[1],
  needsAccount: index > 0, // The first one asks who is signed in.
}));

/** Returns the sample whose operation has the name, or undefined. */
export const sampleOf = (operation) => samples.find((sample) => sample.operation === operation);
