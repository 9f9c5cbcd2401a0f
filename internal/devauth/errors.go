package devauth

import (
	"net/http"
	"strings"
)

// apiError is an error response. Its JSON is Better Auth's. If Message is empty, the response has no body.
type apiError struct {
	status  int
	Message string `json:"message"`
	Code    string `json:"code,omitempty"`
}

// Error implements error.
func (e *apiError) Error() string { return e.Message }

func newError(status int, code, message string) *apiError {
	return &apiError{status: status, Code: code, Message: message}
}

func emailTaken() *apiError {
	return newError(http.StatusUnprocessableEntity, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.")
}

func cannotCreateUser() *apiError {
	return newError(http.StatusUnprocessableEntity, "FAILED_TO_CREATE_USER", "Failed to create user")
}

func wrongPassword() *apiError {
	return newError(http.StatusUnauthorized, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
}

func passwordTooShort() *apiError {
	return newError(http.StatusBadRequest, "PASSWORD_TOO_SHORT", "Password too short")
}

func passwordTooLong() *apiError {
	return newError(http.StatusBadRequest, "PASSWORD_TOO_LONG", "Password too long")
}

func invalidEmail() *apiError {
	return newError(http.StatusBadRequest, "INVALID_EMAIL", "Invalid email")
}

// unknownPath returns the error for a path that the development sign-in doesn't have. Better Auth answers 404 without a
// body. Here, a developer who calls one of Better Auth's many other endpoints should learn that this is not Better
// Auth.
func unknownPath() *apiError {
	return newError(http.StatusNotFound, "NOT_FOUND",
		"The development sign-in doesn't have this endpoint. It has "+strings.Join(Endpoints(), ", ")+". "+
			"For everything else, run a Better Auth server and set AUTH_SERVER_URL to its URL and JWT_SECRET to its BETTER_AUTH_SECRET "+
			"(docs/development.md).")
}

// invalidOrigin returns the error for a page of an untrusted origin. The message begins with Better Auth's and adds
// what to do: the page may be the developer's own, behind a proxy that changes the Host header.
func invalidOrigin(origin string) *apiError {
	return newError(http.StatusForbidden, "INVALID_ORIGIN", "Invalid origin: "+origin+" is not in this server's CORS_ORIGINS. "+originFix)
}

// originFix says what to do if the origin is that of one's own frontend.
const originFix = "If it is your frontend, add it to CORS_ORIGINS (separated by commas) and restart the server. " +
	"A proxy that keeps the Host header doesn't need that: in Vite, leave out changeOrigin."

// missingOrigin returns the error for a request that must have an origin. The message begins with Better Auth's and
// adds what to do: Node's fetch sends Sec-Fetch-Mode as browsers do, but no Origin.
func missingOrigin(own string) *apiError {
	return newError(http.StatusForbidden, "MISSING_OR_NULL_ORIGIN",
		"Missing or null Origin: a program must send the header Origin with this server's own address, "+own+". "+
			"A page must come from a web server: a local file has no origin.")
}

func crossSiteLogin() *apiError {
	return newError(http.StatusForbidden, "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
		"Cross-site navigation login blocked. This request appears to be a CSRF attack.")
}

func noSession(status int) *apiError {
	return newError(status, "FAILED_TO_GET_SESSION", "Failed to get session")
}
