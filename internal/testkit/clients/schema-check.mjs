// Compares two schemas: node schema-check.mjs RELEASED PRESENT ACCEPTED. Each breaking change must be in the file ACCEPTED, as a
// list item: - `the change` because of this. Exits with 1 if one is missing, or if one is listed that was not made. Changes that may
// break some clients are printed as dangerous.
import { readFileSync } from "node:fs";
import {
  buildSchema,
  findBreakingChanges,
  findDangerousChanges,
  isInputObjectType,
  print,
  astFromValue,
} from "graphql";

const [released, present, acceptedFile] = process.argv.slice(2);
const load = (file) => buildSchema(readFileSync(file, "utf8"));
const before = load(released);
const after = load(present);

const breaking = findBreakingChanges(before, after).map((change) => change.description);
const dangerous = findDangerousChanges(before, after).map((change) => change.description);

// graphql-js 16 looks neither at the defaults of input fields nor at @oneOf.
const shown = (field) => (field.defaultValue === undefined ? "none" : print(astFromValue(field.defaultValue, field.type)));
for (const type of Object.values(before.getTypeMap()).filter(isInputObjectType)) {
  const other = after.getType(type.name);
  if (!isInputObjectType(other)) continue;
  if (!type.isOneOf && other.isOneOf) breaking.push(`${type.name} became @oneOf.`);
  if (type.isOneOf && !other.isOneOf) dangerous.push(`${type.name} is no longer @oneOf.`);
  for (const field of Object.values(type.getFields())) {
    const now = other.getFields()[field.name];
    if (now && shown(now) !== shown(field)) {
      dangerous.push(`${type.name}.${field.name} has changed its default from ${shown(field)} to ${shown(now)}.`);
    }
  }
}

const accepted = new Map();
for (const line of readFileSync(acceptedFile, "utf8").split("\n")) {
  const [, change, reason] = /^- `([^`]+)`(.*)$/.exec(line) ?? [];
  if (change) accepted.set(change, reason.trim());
}

let failed = false;
const fail = (text) => {
  failed = true;
  console.log(text);
};
for (const change of dangerous) console.log(`dangerous: ${change}`);
for (const change of breaking) {
  if (accepted.get(change)) console.log(`accepted: ${change}`);
  else if (accepted.has(change)) fail(`breaking, written down without a reason: ${change}`);
  else fail(`breaking: ${change}`);
}
for (const change of accepted.keys()) {
  if (!breaking.includes(change)) fail(`written down, but not made: ${change}`);
}
if (failed) console.log(`Undo the change, deprecate instead, or write it down with its reason in ${acceptedFile}.`);
process.exit(failed ? 1 : 0);
