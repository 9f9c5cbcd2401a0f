package betterauth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxRetries is the maximum number of concurrent requests for sessions that failed the last time. A user may have many
// such sessions, which must not occupy all connections.
const maxRetries = 16

// Raw bearer tokens and API keys have no signature, so anybody can make them up. The number of concurrent requests for
// them is limited, in all and per client address, and a token that turns out to be unknown occupies its slot for
// unknownTokenPenalty. Made-up tokens therefore cause at most 3 requests a second, far below Better Auth's own limit,
// and one address can't take all slots.
const (
	tokenSlots, tokenSlotsPerAddress = 32, 8
	unknownTokenPenalty              = 10 * time.Second
	// noSlotRetryAfter is the Retry-After of a client that got no slot.
	noSlotRetryAfter = 2 * time.Second
)

// acquireSlot waits until a request for a session may be sent: retry is true if the session failed the last time,
// mayBeMadeUp if its token has no signature. It returns a function to call with the result, or a refusal if there is no
// slot.
func (a *Authenticator) acquireSlot(ctx context.Context, retry, mayBeMadeUp bool) (func(*Refusal), *Refusal) {
	if retry {
		select {
		case a.retrySlots <- struct{}{}:
			return func(*Refusal) { <-a.retrySlots }, nil
		default:
			return nil, unusable(errors.New("the auth server fails for many sessions"), failureTTL)
		}
	}
	if !mayBeMadeUp {
		return func(*Refusal) {}, nil
	}
	release := a.tokenSlots.acquire(ctx, a.clientAddress(ctx))
	if release == nil {
		return nil, tooManyUnknown(noSlotRetryAfter)
	}
	return func(refusal *Refusal) {
		if refusal != nil && refusal.isUnknown() {
			time.AfterFunc(unknownTokenPenalty, release)
			return
		}
		release()
	}, nil
}

// addressSlots limits concurrent requests, in all and per client address. It takes memory only for addresses that hold
// a slot or wait for one.
type addressSlots struct {
	all chan struct{}

	mu        sync.Mutex
	byAddress map[string]*slotsOfAddress
}

// slotsOfAddress are the slots of one client address.
type slotsOfAddress struct {
	taken chan struct{}
	users int // how many hold a slot or wait for one
}

func newAddressSlots() *addressSlots {
	return &addressSlots{all: make(chan struct{}, tokenSlots), byAddress: map[string]*slotsOfAddress{}}
}

// acquire takes a slot and returns the function that releases it, or nil if none became free within slowThreshold. If
// the address is empty, only the limit on all slots applies.
func (s *addressSlots) acquire(ctx context.Context, address string) func() {
	ctx, cancel := context.WithTimeout(ctx, slowThreshold)
	defer cancel()
	releaseAddress := func() {}
	if address != "" {
		own := s.join(address)
		if !take(ctx, own.taken) {
			s.leave(address, own)
			return nil
		}
		releaseAddress = func() {
			<-own.taken
			s.leave(address, own)
		}
	}
	if !take(ctx, s.all) {
		releaseAddress()
		return nil
	}
	return func() {
		<-s.all
		releaseAddress()
	}
}

// take takes a slot, and reports whether one became free before ctx ended.
func take(ctx context.Context, slots chan<- struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// join returns the slots of an address. Each call needs a call of leave.
func (s *addressSlots) join(address string) *slotsOfAddress {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, ok := s.byAddress[address]
	if !ok {
		own = &slotsOfAddress{taken: make(chan struct{}, tokenSlotsPerAddress)}
		s.byAddress[address] = own
	}
	own.users++
	return own
}

// leave forgets the slots of an address if nobody uses them any more.
func (s *addressSlots) leave(address string, own *slotsOfAddress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(s.byAddress, address)
	}
}
