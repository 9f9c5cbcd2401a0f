package devauth

import "net/http"

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

func invalidOrigin() *refusal {
	return refuse(http.StatusForbidden, "INVALID_ORIGIN", "Invalid origin")
}

func missingOrigin() *refusal {
	return refuse(http.StatusForbidden, "MISSING_OR_NULL_ORIGIN", "Missing or null Origin")
}

func crossSiteLogin() *refusal {
	return refuse(http.StatusForbidden, "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
		"Cross-site navigation login blocked. This request appears to be a CSRF attack.")
}

func noSession(status int) *refusal {
	return refuse(status, "FAILED_TO_GET_SESSION", "Failed to get session")
}
