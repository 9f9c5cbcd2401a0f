// Builds the playground's bundle from src and the packages of the lock file into ../assets/dist: each file
// compressed, named after its content, and listed with its hash in manifest.json, which also holds the hash of
// what it was built from, so that a test can tell a stale bundle.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const out = '../assets/dist';
const sha256 = (data) => createHash('sha256').update(data).digest('hex');

// Sources, in the order of their names: what playground_test.go hashes too.
const sources = ['../../../examples/sync/store.ts', 'build.mjs', 'package-lock.json', 'package.json', ...readdirSync('src').map((f) => `src/${f}`)].sort();
const sourceHash = sha256(sources.map((f) => `${f} ${sha256(readFileSync(f))}\n`).join(''));

const common = {
  bundle: true, minify: true, write: false, outdir: '/out', target: ['es2022'], legalComments: 'none', charset: 'utf8', logLevel: 'warning',
  define: { 'process.env.NODE_ENV': '"production"' }, entryNames: '[name]-[hash]', chunkNames: '[name]-[hash]', assetNames: '[name]-[hash]',
  loader: { '.ttf': 'file', '.woff2': 'file' },
};

// GraphiQL's style sheet carries its fonts as data: URLs. As files they load when needed, and the policy needs no data:.
const fonts = new Map();
const unpackFonts = {
  name: 'unpack-fonts',
  setup(b) {
    b.onLoad({ filter: /graphiql\/dist\/style\.css$/ }, ({ path }) => ({
      loader: 'css',
      contents: readFileSync(path, 'utf8').replace(/url\(data:font\/(\w+);base64,([^)]+)\)/g, (_, type, data) => {
        const content = Buffer.from(data, 'base64');
        const name = `font-${sha256(content).slice(0, 8).toUpperCase()}.${type}`;
        fonts.set(name, content);
        return `url(/playground/assets/${name})`;
      }),
    }));
    // GraphiQL's sheet has Monaco's rules already; those that Monaco's modules import would never be loaded.
    b.onLoad({ filter: /monaco-editor\/.*\.css$/ }, () => ({ contents: '', loader: 'css' }));
    b.onResolve({ filter: /^\/playground\/assets\// }, ({ path }) => ({ path, external: true }));
  },
};

const workers = await build({
  ...common, format: 'iife',
  entryPoints: {
    'editor-worker': 'monaco-editor/esm/vs/editor/editor.worker.js',
    'json-worker': 'monaco-editor/esm/vs/language/json/json.worker.js',
    'graphql-worker': 'monaco-graphql/esm/graphql.worker.js',
  },
});
const workerNames = Object.fromEntries(workers.outputFiles.map((f) => [basename(f.path).replace(/-worker-.*/, ''), basename(f.path)]));
const page = await build({
  ...common, format: 'esm', splitting: true, entryPoints: { app: 'src/app.jsx' }, jsx: 'automatic', plugins: [unpackFonts],
  define: { ...common.define, WORKERS: JSON.stringify(workerNames) },
});

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const files = {};
let raw = 0;
let packed = 0;
const all = [...workers.outputFiles, ...page.outputFiles].map((f) => [basename(f.path), f.contents]).filter(([, content]) => content.length > 0);
for (const [name, content] of [...all, ...fonts].sort(([a], [b]) => (a < b ? -1 : 1))) {
  const compressed = gzipSync(content, { level: 9 });
  writeFileSync(join(out, `${name}.gz`), compressed);
  files[name] = sha256(content);
  raw += content.length;
  packed += compressed.length;
}
const entry = (ext) => all.map(([name]) => name).find((name) => name.startsWith('app-') && name.endsWith(ext));
writeFileSync(join(out, 'manifest.json'), `${JSON.stringify({ sources: sourceHash, script: entry('.js'), style: entry('.css'), files }, null, 2)}\n`);
console.log(`${Object.keys(files).length} files, ${raw} bytes, ${packed} compressed`);
