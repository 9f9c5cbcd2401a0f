package betterauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

const (
	// maxJWKS bounds the auth server's key set, in bytes and keys.
	maxJWKS, maxKeys = 256 << 10, 100
	// keysUnknownRest is the shortest time between two fetches that unknown keys cause.
	keysUnknownRest = 5 * time.Second
	// keysRetryRest is the shortest time between two fetches while there are no keys yet.
	keysRetryRest = 2 * time.Second
	// keysRefreshAge is the age at which keys in use are fetched again, so that one that was taken back goes.
	keysRefreshAge = 10 * time.Minute
	// minRSABits is the shortest RSA key that is accepted.
	minRSABits = 2048
)

// errNoKeys is a 404 for the key set: the auth server has no jwt plugin.
var errNoKeys = errors.New("the auth server publishes no keys")

// asymmetric lists the algorithms that the jwt plugin can sign with. None of them works with a shared secret.
func asymmetric() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.EdDSA, jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	}
}

// keySet is what the auth server publishes at /jwks: fetched when it is first needed, kept, and fetched again for a key
// that it does not have.
type keySet struct {
	endpoint *endpoint
	timeout  time.Duration
	now      func() time.Time
	log      *slog.Logger
	flights  singleflight.Group
	current  atomic.Pointer[keyState]
}

// keyState never changes; a fetch puts another in its place.
type keyState struct {
	keys    map[string]jose.JSONWebKey // nil: never fetched
	fetched time.Time
	err     error // of the last attempt
	rest    span  // in this there is no other attempt
}

func newKeySet(e *endpoint, timeout time.Duration, log *slog.Logger) *keySet {
	k := &keySet{endpoint: e, timeout: timeout, now: e.now, log: log}
	k.current.Store(&keyState{})
	return k
}

// key returns the key of that id. A JWT that, as it says itself, was issued after the last fetch may be signed with a newer key; where that
// can't be found out at the moment, nobody knows.
func (k *keySet) key(ctx context.Context, kid string, issued func() time.Time) (jose.JSONWebKey, *Refusal) {
	now, state := k.now(), k.current.Load()
	if key, ok := state.keys[kid]; ok {
		if now.Sub(state.fetched) > keysRefreshAge && !state.rest.holds(now) {
			k.fetch(ctx)
		}
		return key, nil
	}
	fresh := false
	if !state.rest.holds(now) {
		select {
		case <-ctx.Done():
			return jose.JSONWebKey{}, unavailable(context.Cause(ctx), 0)
		case <-k.fetch(ctx):
			state = k.current.Load()
			fresh = state.err == nil
		}
	}
	key, ok := state.keys[kid]
	switch {
	case ok:
		return key, nil
	case fresh, state.keys != nil && !issued().After(state.fetched):
		return jose.JSONWebKey{}, refuse(ReasonUnknownKey)
	case state.err != nil:
		return jose.JSONWebKey{}, unavailable(state.err, max(state.rest.until.Sub(now), 0))
	default:
		return jose.JSONWebKey{}, tooManyUnknown(max(state.rest.until.Sub(now), 0)).because(errors.New("the key may be newer than those known"))
	}
}

// fetch gets the keys, together with everyone who wants them at this moment.
func (k *keySet) fetch(ctx context.Context) <-chan singleflight.Result {
	return k.flights.DoChan("", func() (any, error) {
		before := k.current.Load()
		if before.rest.holds(k.now()) { // Another flight has just landed.
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.timeout)
		defer cancel()
		keys, err := k.get(ctx)
		now := k.now()
		if err == nil {
			k.current.Store(&keyState{keys: keys, fetched: now, rest: span{now, now.Add(keysUnknownRest)}})
			return nil, nil
		}
		rest := keysUnknownRest
		if before.keys == nil {
			rest = keysRetryRest
		}
		rest = max(rest, k.endpoint.pause())
		k.log.LogAttrs(ctx, slog.LevelWarn, "the auth server's keys are unavailable", slog.String("error", err.Error()))
		k.current.Store(&keyState{keys: before.keys, fetched: before.fetched, err: err, rest: span{now, now.Add(rest)}})
		return nil, nil
	})
}

func (k *keySet) get(ctx context.Context) (map[string]jose.JSONWebKey, error) {
	body, err := k.endpoint.get(ctx)
	var t *trouble
	switch {
	case errors.As(err, &t) && t.status == http.StatusNotFound:
		return nil, errNoKeys
	case err != nil:
		return nil, fmt.Errorf("getting the auth server's keys: %w", err)
	}
	return parseKeys(body)
}

// parseKeys reads a key set. Keys that are of no use here, such as those for encryption, of unknown kinds or shared
// secrets, are left out.
func parseKeys(body []byte) (map[string]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(body, &set) != nil || set.Keys == nil {
		return nil, errors.New("the auth server's keys are not a JSON Web Key Set")
	}
	keys := make(map[string]jose.JSONWebKey)
	for _, raw := range set.Keys[:min(len(set.Keys), maxKeys)] {
		var key jose.JSONWebKey
		if json.Unmarshal(raw, &key) == nil && usable(key) {
			keys[key.KeyID] = key
		}
	}
	return keys, nil
}

func usable(key jose.JSONWebKey) bool {
	if key.KeyID == "" || key.Use != "" && key.Use != "sig" || !key.Valid() {
		return false
	}
	switch public := key.Key.(type) {
	case ed25519.PublicKey, *ecdsa.PublicKey:
		return true
	case *rsa.PublicKey:
		return public.N.BitLen() >= minRSABits
	default:
		return false
	}
}
