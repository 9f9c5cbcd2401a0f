// Makes .build: the snippets of docs/clients.md as files, the types that codegen and Relay's compiler generate for them,
// codegen's for the samples of the playground's tour, the manifest of Apollo's tool for trusted documents, a strict check of all of it by TypeScript, and one bundle for each
// test.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

rmSync(".build", { recursive: true, force: true });
mkdirSync(".build/src/relay/__generated__", { recursive: true });
cpSync("src", ".build/src", { recursive: true });
cpSync("../../../docs/schema/schema.graphql", ".build/schema.graphql");

const names = [];
for (const [, name, text] of readFileSync("../../../docs/clients.md", "utf8").matchAll(/^```ts\n\/\/ (\S+)\n(.*?)^```$/gms)) {
  writeFileSync(`.build/${name}`, text);
  names.push(name);
}
console.log(`snippets: ${names.join(" ")}`);

// The samples are a project of their own, since their operations bear the same names.
const samples = readdirSync("../../playground/web/samples").filter((name) => name.endsWith(".graphql"));
writeFileSync(".build/src/samples.ts", [
  'import { graphql } from "./samples-gql";',
  ...samples.map((name, i) => `export const sample${i} = graphql(\`\n${readFileSync(`../../playground/web/samples/${name}`, "utf8")}\`);`),
].join("\n"));
writeFileSync(".build/samples.codegen.ts", readFileSync(".build/codegen.ts", "utf8").replace("src/operations.ts", "src/samples.ts").replace("src/gql/", "src/samples-gql/"));
console.log(`samples: ${samples.length}`);

const run = (program, ...args) => {
  const started = Date.now();
  execFileSync(process.execPath, [program, ...args], { cwd: ".build", stdio: ["ignore", "pipe", "pipe"], encoding: "utf8" });
  console.log(`ok ${program.split("/").slice(3).join("/")} ${Date.now() - started} ms`);
};
try {
  run("../node_modules/@graphql-codegen/cli/cjs/bin.js", "--config", "codegen.ts");
  run("../node_modules/@graphql-codegen/cli/cjs/bin.js", "--config", "samples.codegen.ts");
  writeFileSync(".build/relay.config.json", JSON.stringify({
    src: "src/relay", schema: "schema.graphql", language: "typescript", eagerEsModules: true,
    artifactDirectory: "src/relay/__generated__",
    customScalarTypes: { DateTime: "string", Date: "string", TimeZone: "string", Color: "string" },
  }));
  run("../node_modules/relay-compiler/cli.js", "relay.config.json");
  writeFileSync(".build/manifest.config.json", JSON.stringify({ documents: ["src/operations.ts"], output: "apollo-manifest.json" }));
  run("../node_modules/@apollo/generate-persisted-query-manifest/cli.js", "--config", "manifest.config.json");
  writeFileSync(".build/tsconfig.json", JSON.stringify({
    compilerOptions: {
      strict: true, noEmit: true, target: "es2022", module: "esnext", moduleResolution: "bundler", skipLibCheck: true,
      lib: ["es2022", "dom", "dom.iterable"], types: ["node"], noUncheckedIndexedAccess: true,
    },
    include: ["src/**/*.ts", "codegen.ts", "samples.codegen.ts"],
  }));
  run("../node_modules/typescript/bin/tsc", "-p", ".");
} catch (error) {
  console.log(error.stdout, error.stderr, error.message);
  process.exit(1);
}
await build({
  entryPoints: ["apollo", "apollo-trusted", "urql", "graphql-request", "relay", "polling"].map((name) => `.build/src/${name}.test.ts`),
  bundle: true, platform: "node", format: "esm", outdir: ".build/dist", outExtension: { ".js": ".mjs" }, logLevel: "error",
  banner: { js: `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);` }, // for CommonJS packages
});
console.log("ok bundles");
