// Package ticket issues tickets that stand for a session, once and for half a minute. A page gets one by an ordinary request,
// and opens a stream with it if its cookies don't reach the API's origin and its client can send no headers, as with WebSockets
// and EventSource.
//
// A ticket is 256 random bits. Two keys are derived from it: one finds its row in the database, so that any replica can redeem
// it, and the other encrypts the session's credentials there. Who has only the database, or only a log that a redeemed ticket
// got into, has nothing. The credentials are checked again when the ticket is redeemed, and later as often as those of any
// stream.
package ticket

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"taskql/ent"
	"taskql/ent/streamticket"
	"taskql/internal/viewer"
)

const (
	// Lifetime is how long a ticket can be redeemed.
	Lifetime = 30 * time.Second
	// length is the length of a ticket in bytes, before it is encoded.
	length = 32
	// cleanupInterval is how often Issue removes tickets that nobody has redeemed.
	cleanupInterval = time.Minute
)

// ErrInvalid is the error of a ticket that was never issued, was redeemed before, or has expired.
var ErrInvalid = errors.New("the ticket is invalid, was used before, or has expired")

// Service issues and redeems tickets. It is safe for concurrent use.
type Service struct {
	client *ent.Client
	now    func() time.Time
	// cleaned is when Issue last removed expired tickets, in Unix seconds.
	cleaned atomic.Int64
}

// New returns a service that keeps tickets in the client's database.
func New(client *ent.Client, now func() time.Time) *Service {
	return &Service{client: client, now: now}
}

// Issue returns a ticket for the credentials, which are headers of a request, and when it expires.
func (s *Service) Issue(ctx context.Context, credentials http.Header) (string, time.Time, error) {
	ctx = asSystem(ctx)
	secret := make([]byte, length)
	_, _ = rand.Read(secret) // It never fails.
	id, seal, err := derive(secret)
	if err != nil {
		return "", time.Time{}, err
	}
	text, _ := json.Marshal(credentials)     // Strings can always be encoded.
	sealed := seal.Seal(nil, nil, text, nil) //nolint:gosec // The cipher chooses the nonce.
	expires := s.now().Add(Lifetime)
	err = s.client.StreamTicket.Create().SetID(id).SetSealed(sealed).SetExpiresAt(expires).Exec(ctx)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("storing a ticket: %w", err)
	}
	s.cleanUp(ctx)
	return base64.RawURLEncoding.EncodeToString(secret), expires, nil
}

// Redeem returns the credentials of a ticket, which is invalid from then on. The error is ErrInvalid, or the database's.
func (s *Service) Redeem(ctx context.Context, ticket string) (http.Header, error) {
	ctx = asSystem(ctx)
	secret, err := base64.RawURLEncoding.Strict().DecodeString(ticket)
	if err != nil || len(secret) != length {
		return nil, ErrInvalid
	}
	id, seal, err := derive(secret)
	if err != nil {
		return nil, err
	}
	row, err := s.client.StreamTicket.Get(ctx, id)
	if ent.IsNotFound(err) {
		return nil, ErrInvalid
	}
	if err != nil {
		return nil, fmt.Errorf("reading a ticket: %w", err)
	}
	// Of several requests with the ticket, the one that deletes the row has redeemed it.
	deleted, err := s.client.StreamTicket.Delete().Where(streamticket.ID(id)).Exec(ctx)
	if err != nil {
		return nil, fmt.Errorf("deleting a ticket: %w", err)
	}
	if deleted == 0 || !s.now().Before(row.ExpiresAt) {
		return nil, ErrInvalid
	}
	text, err := seal.Open(nil, nil, row.Sealed, nil)
	if err != nil {
		return nil, ErrInvalid // Somebody has changed the row.
	}
	var credentials http.Header
	if err := json.Unmarshal(text, &credentials); err != nil {
		return nil, fmt.Errorf("decoding credentials: %w", err)
	}
	return credentials, nil
}

// cleanUp removes expired tickets, at most once a minute. It ignores errors: what is left is removed the next time, and is of no
// use to anybody.
func (s *Service) cleanUp(ctx context.Context) {
	now, last := s.now(), s.cleaned.Load()
	if now.Unix()-last < int64(cleanupInterval.Seconds()) || !s.cleaned.CompareAndSwap(last, now.Unix()) {
		return
	}
	_, _ = s.client.StreamTicket.Delete().Where(streamticket.ExpiresAtLT(now.Add(-Lifetime))).Exec(ctx)
}

// derive returns the id of a ticket's row, and the cipher for what it holds.
func derive(secret []byte) (string, cipher.AEAD, error) {
	id, err := hkdf.Key(sha256.New, secret, nil, "taskql stream ticket: id", length)
	if err != nil {
		return "", nil, fmt.Errorf("deriving an id: %w", err)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "taskql stream ticket: credentials", length)
	if err != nil {
		return "", nil, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", nil, fmt.Errorf("making a cipher: %w", err)
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return "", nil, fmt.Errorf("making a cipher: %w", err)
	}
	return hex.EncodeToString(id), seal, nil
}

// asSystem returns a context that may read and write tickets. It counts for the user of the request, if there is one.
func asSystem(ctx context.Context) context.Context {
	if user, ok := viewer.Requester(ctx); ok && user != "" {
		return viewer.AsSystemFor(ctx, user)
	}
	return viewer.AsSystem(ctx)
}
