// What the peers of bench live have in common: a schema whose subscription has results like those of `changes`, and the results.
// They know no users and read no database; that is to their advantage.
export const typeDefs = `
  type Query { ok: Boolean }
  type Gone { kind: String id: ID version: Int }
  type Task { id: ID! title: String! completed: Boolean! priority: String! version: Int! updatedAt: String! }
  type Tag { id: ID name: String }
  type ChangePage { reset: String gone: [Gone!]! tasks: [Task!]! tags: [Tag!]! token: String! version: Int! complete: Boolean! }
  type Subscription { changes: ChangePage! }
`

let version = 0

// page returns a result of about 340 bytes.
export function page () {
  version++
  return {
    reset: null,
    gone: [],
    tasks: [{
      id: '0198c0de-0000-7000-8000-000000000001', title: `Buy milk and bread, number ${version} of many more to come`, completed: false,
      priority: 'MEDIUM', version, updatedAt: new Date().toISOString()
    }],
    tags: [],
    token: 'x'.repeat(90),
    version,
    complete: true
  }
}
