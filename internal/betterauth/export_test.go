package betterauth

// NewDecryptionKey is for tests that encrypt session_data.
func NewDecryptionKey(secret string) ([]byte, error) { return newDecryptionKey(secret) }
