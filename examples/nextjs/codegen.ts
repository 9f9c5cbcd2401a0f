import { existsSync } from "node:fs";
import type { CodegenConfig } from "@graphql-codegen/cli";

// Writes lib/gql: the types of all operations in lib/operations.graphql.
const config: CodegenConfig = {
  schema: existsSync("schema.graphql") ? "schema.graphql" : "../../docs/schema/schema.graphql", // a copy, outside the repository
  documents: ["lib/operations.graphql"],
  generates: { "lib/gql/": { preset: "client", presetConfig: { fragmentMasking: false } } },
  config: { scalars: { ID: "string" }, defaultScalarType: "string", enumsAsTypes: true, skipTypename: true, useTypeImports: true },
};

export default config;
