// What the server writes into the page: its endpoint, whether it has its own sign-in, and the samples.
export const settings = JSON.parse(document.getElementById('settings').textContent);
