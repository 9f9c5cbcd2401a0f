// Apollo Server with graphql-ws, as its documentation says.
import { createServer } from 'node:http'
import { ApolloServer } from '@apollo/server'
import { makeExecutableSchema } from '@graphql-tools/schema'
import { PubSub } from 'graphql-subscriptions'
import { useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import { page, typeDefs } from './page.mjs'

const pubsub = new PubSub()
pubsub.ee.setMaxListeners(0)
const schema = makeExecutableSchema({
  typeDefs, resolvers: { Subscription: { changes: { subscribe: () => pubsub.asyncIterableIterator('changes') } } }
})
await new ApolloServer({ schema }).start()
const server = createServer((request, response) => {
  if (request.url === '/publish') pubsub.publish('changes', { changes: page() })
  response.end()
})
useServer({ schema }, new WebSocketServer({ server, path: '/graphql' }))
server.listen(+process.env.PORT, '127.0.0.1')
