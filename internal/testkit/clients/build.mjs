// Writes .build: the snippets of docs/clients.md, of docs/live.md and of the reference store's README as files, the types that codegen and
// Relay's compiler generate for them and for the samples of the playground's tour, Apollo's manifest of trusted documents, and
// one bundle for each test. TypeScript checks all of it strictly.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

rmSync(".build", { recursive: true, force: true });
mkdirSync(".build/src/relay/__generated__", { recursive: true });
cpSync("src", ".build/src", { recursive: true });
cpSync("../../../docs/schema/schema.graphql", ".build/schema.graphql");

const doc = ["clients", "live"].map((name) => readFileSync(`../../../docs/${name}.md`, "utf8")).join("\n");
const snippets = [...doc.matchAll(/^```tsx?\n\/\/ (\S+)\n(.*?)^```$/gms)].map(([, name, text]) => ({ name, text }));
for (const { name, text } of snippets) writeFileSync(`.build/${name}`, text);
const blocks = [...doc.matchAll(/^```tsx?$/gm)].length;
if (blocks !== snippets.length) {
  console.log(`${blocks - snippets.length} snippets don't begin with a file's name`);
  process.exit(1);
}
console.log(`snippets: ${snippets.map(({ name }) => name).join(" ")}`);

cpSync("../../../examples/sync/list.ts", ".build/src/list.ts");

// The snippets of the reference store's README, beside the store.
mkdirSync(".build/src/sync");
cpSync("../../../examples/sync/store.ts", ".build/src/sync/store.ts");
const readme = readFileSync("../../../examples/sync/README.md", "utf8");
for (const [, name, text] of readme.matchAll(/^```tsx?\n\/\/ (\S+)\n(.*?)^```$/gms)) writeFileSync(`.build/src/sync/${name}`, text);

// Each package that a snippet imports is in a line `npm install …`, and each package in such a line is installed here.
const installed = [...doc.matchAll(/^npm install (?:--save-dev )?(.*)$/gm)].flatMap(([, packages]) => packages.split(" "));
const { dependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const imported = snippets.flatMap(({ text }) => [...text.matchAll(/from "((?:@[^/"]+\/)?[^./"][^/"]*)/g)].map(([, name]) => name));
const unknown = [...imported.filter((name) => !installed.includes(name)), ...installed.filter((name) => !dependencies[name])];
if (unknown.length > 0) {
  console.log(`not in a line npm install, or not in package.json: ${unknown.join(" ")}`);
  process.exit(1);
}
console.log(`installed: ${installed.join(" ")}`);

// The samples have an output of their own, because their operations have the same names.
const samples = readdirSync("../../playground/web/samples").filter((name) => name.endsWith(".graphql"));
writeFileSync(".build/src/samples.ts", [
  'import { graphql } from "./samples-gql";',
  ...samples.map((name, i) => `export const sample${i} = graphql(\`\n${readFileSync(`../../playground/web/samples/${name}`, "utf8")}\`);`),
].join("\n"));
writeFileSync(".build/both.codegen.ts", `
  import config from "./codegen";
  const { documents, generates, ...rest } = config;
  const output = generates["src/gql/"]!;
  export default { ...rest, generates: {
    "src/gql/": { ...output, documents }, "src/samples-gql/": { ...output, documents: ["src/samples.ts"] },
  } };
`);
console.log(`samples: ${samples.length}`);

const run = (program, ...args) => {
  const started = Date.now();
  execFileSync(process.execPath, [program, ...args], { cwd: ".build", stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  console.log(`ok ${program.split("/").slice(3).join("/")} ${Date.now() - started} ms`);
};
try {
  run("../node_modules/@graphql-codegen/cli/cjs/bin.js", "--config", "both.codegen.ts");
  writeFileSync(".build/relay.config.json", JSON.stringify({
    src: "src/relay", schema: "schema.graphql", language: "typescript", eagerEsModules: true,
    artifactDirectory: "src/relay/__generated__",
    customScalarTypes: { DateTime: "string", Date: "string", TimeZone: "string", LocalTime: "string", Color: "string", SyncToken: "string", ListState: "string" },
  }));
  run("../node_modules/relay-compiler/cli.js", "relay.config.json");
  writeFileSync(".build/manifest.config.json", JSON.stringify({ documents: ["src/*operations.ts"], output: "apollo-manifest.json" }));
  run("../node_modules/@apollo/generate-persisted-query-manifest/cli.js", "--config", "manifest.config.json");
  writeFileSync(".build/tsconfig.json", JSON.stringify({
    compilerOptions: {
      strict: true, noEmit: true, target: "es2022", module: "esnext", moduleResolution: "bundler", skipLibCheck: true, jsx: "react-jsx",
      lib: ["es2022", "dom", "dom.iterable"], types: ["node"], noUncheckedIndexedAccess: true,
    },
    include: ["src/**/*.ts", "src/**/*.tsx", "codegen.ts", "vite.config.ts"],
  }));
  run("../node_modules/typescript/bin/tsc", "-p", ".");
} catch (error) {
  console.log(error.stdout, error.stderr, error.message);
  process.exit(1);
}
// Replaces graphql`…` by what Relay's compiler has generated, as babel-plugin-relay does.
const relayTags = {
  name: "relay-tags",
  setup: ({ onLoad }) => onLoad({ filter: /\/src\/relay\/[^_]*\.ts$/ }, ({ path }) => ({
    loader: "ts",
    contents: readFileSync(path, "utf8").replace(/graphql`\s*\w+ (\w+)[^`]*`/g, (_, name) => `require("./__generated__/${name}.graphql").default`),
  })),
};
await build({
  entryPoints: readdirSync("src").filter((name) => /\.test\.tsx?$/.test(name)).map((name) => `.build/src/${name}`),
  bundle: true, plugins: [relayTags], external: ["vite"], jsx: "automatic", platform: "node", format: "esm", outdir: ".build/dist", outExtension: { ".js": ".mjs" }, logLevel: "error",
  banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);` }, // for CommonJS packages
});
console.log("ok bundles");
