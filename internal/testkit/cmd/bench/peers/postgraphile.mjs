// PostGraphile, whose subscriptions are LISTEN and NOTIFY of PostgreSQL.
import { createServer } from 'node:http'
import { postgraphile } from 'postgraphile'
import { makePgService } from 'postgraphile/adaptors/pg'
import { constant, context, listen } from 'postgraphile/grafast'
import { grafserv } from 'postgraphile/grafserv/node'
import { jsonParse } from 'postgraphile/@dataplan/json'
import { PostGraphileAmberPreset } from 'postgraphile/presets/amber'
import { extendSchema } from 'postgraphile/utils'
import { page, typeDefs } from './page.mjs'
import pg from 'pg'

// Node before 22 lacks it.
Promise.withResolvers ??= function () {
  const made = {}
  made.promise = new this((resolve, reject) => Object.assign(made, { resolve, reject }))
  return made
}
const connectionString = process.env.DATABASE_URL
const plugin = extendSchema({
  // PostGraphile makes types such as Task itself, from the tables.
  typeDefs: typeDefs.replace('type Query { ok: Boolean }', '').replace('type Subscription', 'extend type Subscription')
    .replace(/\b(Gone|Task|Tag|ChangePage)\b/g, 'Peer$1'),
  objects: {
    Subscription: {
      plans: {
        changes: {
          subscribePlan: () => listen(context().get('pgSubscriber'), constant('changes'), jsonParse),
          plan: $event => $event
        }
      }
    }
  }
})
const serv = postgraphile({
  extends: [PostGraphileAmberPreset],
  plugins: [plugin],
  pgServices: [makePgService({ connectionString, schemas: ['public'], pubsub: true })],
  grafserv: { graphqlPath: '/graphql', graphiql: false, watch: false, websockets: true },
  grafast: { explain: false }
}).createServ(grafserv)
const publisher = new pg.Pool({ connectionString, max: 1 })
const server = createServer()
await serv.addTo(server)
const [serve] = server.listeners('request')
server.removeAllListeners('request')
server.on('request', async (request, response) => {
  if (request.url !== '/publish') return serve(request, response)
  await publisher.query('select pg_notify($1, $2)', ['changes', JSON.stringify(page())])
  response.end()
})
server.listen(+process.env.PORT, '127.0.0.1')
