package betterauth

import (
	"context"
	"errors"
	"sync"
	"time"
)

// maxRetries bounds the questions under way about sessions that failed the last time. A user may have many of them, and
// must not occupy all connections.
const maxRetries = 16

// Raw bearer tokens and API keys can't be checked here, so anybody can make them up. Only so many are asked about at once,
// in all and for each client address. One that turns out to be unknown occupies its slots for a while. So made-up ones
// reach the auth server at most 3 times a second, far below Better Auth's own limit, and one address can't take all slots.
const (
	rawSlots, rawSlotsPerAddress, rawPenalty = 32, 8, 10 * time.Second
	// unknownRetryAfter is when a client that got no slot is told to come back.
	unknownRetryAfter = 2 * time.Second
)

// admit bounds the questions about sessions that failed the last time, and those about tokens that may be made up. It
// returns a function to be called with the outcome, or why the auth server is not asked.
func (a *Authenticator) admit(ctx context.Context, again, mayBeMadeUp bool) (func(*Refusal), *Refusal) {
	if again {
		select {
		case a.retries <- struct{}{}:
			return func(*Refusal) { <-a.retries }, nil
		default:
			return nil, unusable(errors.New("the auth server fails for many sessions"), failureTTL)
		}
	}
	if !mayBeMadeUp {
		return func(*Refusal) {}, nil
	}
	release := a.rawSlots.acquire(ctx, a.clientAddress(ctx))
	if release == nil {
		return nil, tooManyUnknown(unknownRetryAfter)
	}
	return func(refusal *Refusal) {
		if refusal != nil && refusal.isUnknown() {
			time.AfterFunc(rawPenalty, release)
			return
		}
		release()
	}, nil
}

// slotTable bounds the questions about raw bearer tokens. Its size is bounded by the requests that hold or await a slot.
type slotTable struct {
	all chan struct{}

	mu        sync.Mutex
	addresses map[string]*addressSlots
}

// addressSlots are one client address's.
type addressSlots struct {
	taken chan struct{}
	users int // who hold or await a slot
}

func newSlotTable() *slotTable {
	return &slotTable{all: make(chan struct{}, rawSlots), addresses: map[string]*addressSlots{}}
}

// acquire takes a slot, for which it waits no longer than patience. It returns a function that gives the slot back, nil if
// there was no slot in time. Without an address ("") only the bound on all counts.
func (s *slotTable) acquire(ctx context.Context, address string) func() {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	leave := func() {}
	if address != "" {
		own := s.join(address)
		if !take(ctx, own.taken) {
			s.leave(address, own)
			return nil
		}
		leave = func() {
			<-own.taken
			s.leave(address, own)
		}
	}
	if !take(ctx, s.all) {
		leave()
		return nil
	}
	return func() {
		<-s.all
		leave()
	}
}

func take(ctx context.Context, slots chan<- struct{}) bool {
	select {
	case slots <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *slotTable) join(address string) *addressSlots {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, ok := s.addresses[address]
	if !ok {
		own = &addressSlots{taken: make(chan struct{}, rawSlotsPerAddress)}
		s.addresses[address] = own
	}
	own.users++
	return own
}

func (s *slotTable) leave(address string, own *addressSlots) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if own.users--; own.users == 0 {
		delete(s.addresses, address)
	}
}
