package graphqlhttp

// The media type of Apollo's multipart protocol for subscriptions
// (https://www.apollographql.com/docs/graphos/routing/operations/subscriptions/multipart-protocol). Each part is an object
// whose payload is a result. {} is a heartbeat. An object with errors beside the payload is a fault of the transport, upon which
// clients may subscribe again. A part is only known to be whole at the next boundary, so that each is followed by one.
const (
	mediaMultipart = "multipart/mixed"
	// subscriptionSpec is the value of the parameter subscriptionSpec by which clients ask for the protocol.
	subscriptionSpec = "1.0"
	multipartHeader  = "\r\nContent-Type: application/json\r\n\r\n"
	multipartNext    = "\r\n--graphql"
	multipartLast    = "--\r\n"
)

var multipartFormat = eventFormat{ //nolint:gochecknoglobals // A constant, if Go had constant structs.
	transport:   TransportMultipart,
	contentType: []string{mediaMultipart + `;boundary="graphql";subscriptionSpec=` + subscriptionSpec},
	open:        multipartNext,
	before:      multipartHeader + `{"payload":`,
	after:       "}" + multipartNext,
	ping:        multipartHeader + "{}" + multipartNext,
	complete:    multipartLast,
	restart: multipartHeader +
		`{"payload":null,"errors":[{"message":"` + messageRestarting + `","extensions":{"code":"` + CodeServiceUnavailable + `"}}]}` +
		multipartNext + multipartLast,
}
