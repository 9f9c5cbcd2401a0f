package devauth

import (
	"net/http"
	"strings"
)

// refusal is an answer that is an error. Its JSON is Better Auth's.
type refusal struct {
	status  int
	Message string `json:"message"`
	Code    string `json:"code,omitempty"`
}

// Error implements error.
func (r *refusal) Error() string { return r.Message }

func refuse(status int, code, message string) *refusal {
	return &refusal{status: status, Code: code, Message: message}
}

func emailTaken() *refusal {
	return refuse(http.StatusUnprocessableEntity, "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL", "User already exists. Use another email.")
}

func cannotCreateUser() *refusal {
	return refuse(http.StatusUnprocessableEntity, "FAILED_TO_CREATE_USER", "Failed to create user")
}

func wrongPassword() *refusal {
	return refuse(http.StatusUnauthorized, "INVALID_EMAIL_OR_PASSWORD", "Invalid email or password")
}

func passwordTooShort() *refusal {
	return refuse(http.StatusBadRequest, "PASSWORD_TOO_SHORT", "Password too short")
}

func passwordTooLong() *refusal {
	return refuse(http.StatusBadRequest, "PASSWORD_TOO_LONG", "Password too long")
}

func invalidEmail() *refusal {
	return refuse(http.StatusBadRequest, "INVALID_EMAIL", "Invalid email")
}

// unknownPath is the answer to what this sign-in doesn't have. Better Auth answers 404 without a body; a developer who
// calls one of its many other endpoints should learn that this isn't Better Auth.
func unknownPath() *refusal {
	return refuse(http.StatusNotFound, "NOT_FOUND",
		"The development sign-in doesn't have this endpoint. It has "+strings.Join(Endpoints(), ", ")+". "+
			"For everything else, run a Better Auth server and set AUTH_SERVER_URL to its URL and JWT_SECRET to its BETTER_AUTH_SECRET "+
			"(docs/development.md).")
}

// invalidOrigin is the answer to a page of another origin. The message begins as Better Auth's and goes on with what to
// do: the page may be the developer's own, behind a proxy that changes the Host header.
func invalidOrigin(origin string) *refusal {
	return refuse(http.StatusForbidden, "INVALID_ORIGIN", "Invalid origin: "+origin+" is not in this server's CORS_ORIGINS. "+originCure)
}

// originCure is what to do about the origin of one's own frontend.
const originCure = "If it is your frontend, add it to CORS_ORIGINS (separated by commas) and restart the server. " +
	"A proxy that keeps the Host header doesn't need that: in Vite, leave out changeOrigin."

// missingOrigin is the answer to a request that should name its origin. The message begins as Better Auth's and goes on
// with what to do: Node's fetch sends Sec-Fetch-Mode as browsers do, but no Origin.
func missingOrigin(own string) *refusal {
	return refuse(http.StatusForbidden, "MISSING_OR_NULL_ORIGIN",
		"Missing or null Origin: a program must send the header Origin with this server's own address, "+own+". "+
			"A page must come from a web server: a local file has no origin.")
}

func crossSiteLogin() *refusal {
	return refuse(http.StatusForbidden, "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
		"Cross-site navigation login blocked. This request appears to be a CSRF attack.")
}

func noSession(status int) *refusal {
	return refuse(status, "FAILED_TO_GET_SESSION", "Failed to get session")
}
