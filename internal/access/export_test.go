package access

// RoleQuestions is roleQuestions for tests.
const RoleQuestions = roleQuestions
