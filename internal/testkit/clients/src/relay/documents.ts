import { graphql } from "relay-runtime";

graphql`query documentsQuery($count: Int!, $cursor: String, $filter: TaskFilter) { ...documents_tasks }`;
graphql`
  fragment documents_tasks on Query @refetchable(queryName: "documentsPageQuery") {
    tasks(first: $count, after: $cursor, filter: $filter) @connection(key: "documents_tasks") { edges { node { id title } } }
  }
`;
graphql`fragment documents_task on Task @refetchable(queryName: "documentsNodeQuery") { title completed }`;
graphql`
  mutation documentsCreateMutation($input: CreateTaskInput!, $connections: [ID!]!) @raw_response_type {
    createTask(input: $input) {
      task @appendNode(connections: $connections, edgeTypeName: "TaskEdge") { id title }
      userErrors { code }
    }
  }
`;
graphql`subscription documentsRefusedSubscription { changes { tasks { id overdue } token } }`;
