// Parses, validates and coerces requests with graphql-js. The first line of the input is {sdl, timeZones}. Each other line is a
// request, {query, variables}. Its result is one line: {values}, the coerced variables and arguments of all fields, or {error}.
import { createInterface } from "node:readline";
import {
  buildSchema, getArgumentValues, getDirectiveValues, getOperationAST, getVariableValues, GraphQLError, Kind, parse, TypeInfo, validate, visit, visitWithTypeInfo,
} from "graphql";

let schema;
for await (const line of createInterface({ input: process.stdin })) {
  const input = JSON.parse(line);
  if (schema) {
    console.log(JSON.stringify(check(input.query, input.variables)));
  } else {
    schema = buildSchema(input.sdl);
    defineScalars(new Set(input.timeZones.map((name) => name.toLowerCase())));
  }
}

// check parses and validates a document and coerces all that the operation is given, as execution does first.
function check(query, variables) {
  try {
    const document = parse(query);
    const errors = validate(schema, document);
    if (errors.length > 0) return { error: errors[0].message };
    const operation = getOperationAST(document);
    if (!operation) return { error: "no operation" };
    if (!schema.getRootType(operation.operation)) return { error: "no root type" };
    const { coerced, errors: wrong } = getVariableValues(schema, operation.variableDefinitions ?? [], variables);
    if (wrong) return { error: wrong[0].message };
    return { values: { variables: coerced, arguments: argumentsOf(document, operation, coerced) } };
  } catch (error) {
    return { error: error.message };
  }
}

// argumentsOf returns the arguments of each field of the operation that has any. It throws if one of a field or a directive can't be
// coerced.
function argumentsOf(document, operation, variables) {
  const seen = new Set();
  const found = [];
  const coerce = (definition) => {
    const info = new TypeInfo(schema);
    const enter = (node) => {
      for (const directive of node.directives ?? []) getDirectiveValues(schema.getDirective(directive.name.value), node, variables);
      if (node.kind === Kind.FIELD) {
        const values = getArgumentValues(info.getFieldDef(), node, variables);
        if (info.getFieldDef().args.length > 0) found.push(values);
      }
      if (node.kind === Kind.FRAGMENT_SPREAD && !seen.has(node.name.value)) {
        seen.add(node.name.value);
        coerce(document.definitions.find((d) => d.kind === Kind.FRAGMENT_DEFINITION && d.name.value === node.name.value));
      }
    };
    visit(definition, visitWithTypeInfo(info, { enter }));
  };
  coerce(operation);
  return found;
}

// defineScalars gives the schema's own scalars their rules. The built-in ones are graphql-js's.
function defineScalars(timeZones) {
  const days = (year, month) => new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();
  const isDate = (text) => {
    const [, year, month, day] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(text)?.map(Number) ?? [];
    return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= days(year, month);
  };
  const isDateTime = (text) =>
    /^[^Tt]*[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/.test(text) && isDate(text.slice(0, 10));
  const rules = {
    Date: isDate,
    DateTime: isDateTime,
    TimeZone: (text) => timeZones.has(text.toLowerCase()),
    SyncToken: () => true,
    ListState: () => true,
    LocalTime: (text) => /^([01]\d|2[0-3]):[0-5]\d$/.test(text),
    Color: (text) => /^#[0-9a-fA-F]{6}$/.test(text),
  };
  for (const [name, holds] of Object.entries(rules)) {
    const type = schema.getType(name);
    type.parseValue = (value) => {
      if (typeof value !== "string" || !holds(value)) throw new GraphQLError(`not a ${name}`);
      return value;
    };
    type.parseLiteral = (node) => type.parseValue(node.kind === Kind.STRING ? node.value : undefined);
  }
}
