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
	// maxJWKS and maxKeys bound the auth server's key set, in bytes and keys.
	maxJWKS, maxKeys = 256 << 10, 100
	// unknownKeyInterval is the shortest time between two fetches because of unknown keys.
	unknownKeyInterval = 5 * time.Second
	// keysRetryInterval is the shortest time between two fetches while there are no keys yet.
	keysRetryInterval = 2 * time.Second
	// keysRefreshAge is the age at which keys in use are fetched again, so that revoked ones are no longer accepted.
	keysRefreshAge = 10 * time.Minute
	// minRSABits is the minimum length of an RSA key, in bits.
	minRSABits = 2048
)

// errNoKeys reports a 404 for the key set: the auth server has no jwt plugin.
var errNoKeys = errors.New("the auth server publishes no keys")

// asymmetricAlgorithms lists the algorithms that the jwt plugin can sign with. None of them uses a shared secret.
func asymmetricAlgorithms() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{
		jose.EdDSA, jose.ES256, jose.ES384, jose.ES512, jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	}
}

// keySet has the keys that the auth server publishes at /jwks. They are fetched when they are first needed, and again
// when a key is unknown.
type keySet struct {
	endpoint *endpoint
	timeout  time.Duration
	now      func() time.Time
	log      *slog.Logger
	flights  singleflight.Group
	current  atomic.Pointer[keyState]
}

// keyState is the result of the last fetch. It is immutable: a fetch replaces it.
type keyState struct {
	keys    map[string]jose.JSONWebKey // by id; nil before the first success
	fetched time.Time
	err     error  // of the last attempt
	pause   period // during which there is no other attempt
}

func newKeySet(e *endpoint, timeout time.Duration, log *slog.Logger) *keySet {
	k := &keySet{endpoint: e, timeout: timeout, now: e.now, log: log}
	k.current.Store(&keyState{})
	return k
}

// key returns the key with that id, or why there is none. issued returns when the JWT says it was issued: if that is
// after the last fetch, it may be signed with a newer key, and the refusal is Unavailable if the keys can't be fetched
// at the moment.
func (k *keySet) key(ctx context.Context, kid string, issued func() time.Time) (jose.JSONWebKey, *Refusal) {
	now, state := k.now(), k.current.Load()
	if key, ok := state.keys[kid]; ok {
		if now.Sub(state.fetched) > keysRefreshAge && !state.pause.contains(now) {
			k.fetch(ctx)
		}
		return key, nil
	}
	fresh := false
	if !state.pause.contains(now) {
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
		return jose.JSONWebKey{}, unavailable(state.err, max(state.pause.until.Sub(now), 0))
	default:
		return jose.JSONWebKey{}, tooManyUnknown(max(state.pause.until.Sub(now), 0)).withCause(errors.New("the key may be newer than those known"))
	}
}

// fetch fetches the keys, or joins the fetch in progress. The result is in k.current when the channel delivers.
func (k *keySet) fetch(ctx context.Context) <-chan singleflight.Result {
	return k.flights.DoChan("", func() (any, error) {
		before := k.current.Load()
		if before.pause.contains(k.now()) { // Another fetch has just ended.
			return nil, nil
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.timeout)
		defer cancel()
		keys, err := k.get(ctx)
		now := k.now()
		if err == nil {
			k.current.Store(&keyState{keys: keys, fetched: now, pause: period{now, now.Add(unknownKeyInterval)}})
			return nil, nil
		}
		wait := unknownKeyInterval
		if before.keys == nil {
			wait = keysRetryInterval
		}
		wait = max(wait, k.endpoint.pause())
		k.log.LogAttrs(ctx, slog.LevelWarn, "the auth server's keys are unavailable", slog.String("error", err.Error()))
		k.current.Store(&keyState{keys: before.keys, fetched: before.fetched, err: err, pause: period{now, now.Add(wait)}})
		return nil, nil
	})
}

func (k *keySet) get(ctx context.Context) (map[string]jose.JSONWebKey, error) {
	body, err := k.endpoint.get(ctx)
	var failure *upstreamError
	switch {
	case errors.As(err, &failure) && failure.status == http.StatusNotFound:
		return nil, errNoKeys
	case err != nil:
		return nil, fmt.Errorf("getting the auth server's keys: %w", err)
	}
	return parseKeys(body)
}

// parseKeys parses a key set. It leaves out keys that can't verify JWTs, such as those for encryption, of unknown
// types, or shared secrets.
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

// usable reports whether a key can verify JWTs.
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
