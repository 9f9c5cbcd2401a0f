package devauth

import (
	"context"
	"fmt"
	"unicode/utf16"

	"github.com/alexedwards/argon2id"
	"golang.org/x/text/unicode/norm"
)

// Better Auth's limits for passwords, in UTF-16 code units, which is how JavaScript counts.
const (
	minPassword = 8
	maxPassword = 128
)

// passwords hashes and compares passwords. Each hash takes 19 MiB and tens of milliseconds, so only a few are computed
// at once.
type passwords struct {
	params argon2id.Params
	slots  chan struct{}
}

func newPasswords() *passwords {
	return &passwords{
		// The minimum of OWASP's Password Storage Cheat Sheet for Argon2id.
		params: argon2id.Params{Memory: 19 << 10, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32},
		slots:  make(chan struct{}, 2),
	}
}

// hash returns a password's hash. The error wraps ctx's if that ends first.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	release, err := p.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	return argon2id.CreateHash(norm.NFKC.String(password), &p.params)
}

// match reports whether hash is the hash of the password.
func (p *passwords) match(ctx context.Context, password, hash string) (bool, error) {
	release, err := p.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	return argon2id.ComparePasswordAndHash(norm.NFKC.String(password), hash)
}

// acquire waits for a slot and returns the function that releases it.
func (p *passwords) acquire(ctx context.Context) (func(), error) {
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting to hash a password: %w", context.Cause(ctx))
	}
}

// passwordLength returns the length of a password as JavaScript counts it.
func passwordLength(password string) int { return len(utf16.Encode([]rune(password))) }
