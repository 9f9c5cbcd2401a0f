// Mercurius with its own subscriptions (graphql-transport-ws).
import Fastify from 'fastify'
import mercurius from 'mercurius'
import { page, typeDefs } from './page.mjs'

const app = Fastify()
app.register(mercurius, {
  schema: typeDefs,
  resolvers: { Subscription: { changes: { subscribe: (_, __, { pubsub }) => pubsub.subscribe('changes') } } },
  subscription: true
})
app.post('/publish', async () => {
  await app.graphql.pubsub.publish({ topic: 'changes', payload: { changes: page() } })
  return ''
})
await app.listen({ port: +process.env.PORT, host: '127.0.0.1' })
