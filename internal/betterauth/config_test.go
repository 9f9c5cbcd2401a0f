package betterauth_test

import (
	"strings"
	"testing"

	"taskql/internal/betterauth"
)

func TestNewRefusesBadConfig(t *testing.T) {
	for name, cfg := range map[string]betterauth.Config{
		"no address":     {Secret: secret},
		"no scheme":      {Secret: secret, BaseURL: "auth.example.com"},
		"other scheme":   {Secret: secret, BaseURL: "ftp://auth.example.com"},
		"no host":        {Secret: secret, BaseURL: "https:///api/auth"},
		"query":          {Secret: secret, BaseURL: "https://auth.example.com?x=y"},
		"no URL":         {Secret: secret, BaseURL: "https://joe:hunter2@auth.example.com:port"},
		"no secret":      {BaseURL: "https://auth.example.com"},
		"negative TTL":   {Secret: secret, BaseURL: "https://auth.example.com", CacheTTL: -1},
		"negative size":  {Secret: secret, BaseURL: "https://auth.example.com", CacheSize: -1},
		"negative limit": {Secret: secret, BaseURL: "https://auth.example.com", Timeout: -1},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := betterauth.New(cfg)
			if err == nil {
				t.Fatal("no error")
			}
			if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), secret) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}
