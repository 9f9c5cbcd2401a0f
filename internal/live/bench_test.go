package live_test

import (
	"strconv"
	"testing"

	"taskql/internal/live"
)

// discard is a sink that takes everything.
type discard struct{}

func (discard) Next([]byte) bool { return true }
func (discard) End(error)        {}

// BenchmarkChanged measures what a change pays for the hub: with nobody watching anything, another workspace, or this one.
func BenchmarkChanged(b *testing.B) {
	for _, watched := range []string{"", "other", "w"} {
		b.Run("watched="+watched, func(b *testing.B) {
			s := &store{hub: live.New(live.Config{}), versions: map[string]int{}}
			defer s.hub.Close()
			if watched != "" {
				if _, err := s.hub.Subscribe(watched, &query{store: s, workspace: watched}, nil, newClient("ann").session(), discard{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				s.hub.Changed("w", i)
			}
		})
	}
}

// BenchmarkDeliver measures what each of 1,000 subscriptions of a workspace pays for a change, without query and connection.
func BenchmarkDeliver(b *testing.B) {
	s := &store{hub: live.New(live.Config{Debounce: 1}), versions: map[string]int{}}
	defer s.hub.Close()
	const n = 1000
	for i := range n {
		if _, err := s.hub.Subscribe("w", &query{store: s, workspace: "w"}, nil, newClient(strconv.Itoa(i)).session(), discard{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		before := s.hub.Stats().Deliveries
		s.change("w")
		for s.hub.Stats().Deliveries < before+n { //nolint:revive // It takes microseconds.
		}
	}
}
