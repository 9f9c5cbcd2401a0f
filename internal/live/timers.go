package live

import (
	"container/heap"
	"math"
	"sync"
	"time"
)

// timed is what has a timer.
type timed interface {
	clock() *timer
	// fire is called when the time has come, by a goroutine of its own.
	fire()
}

// timer is the timer of one owner, in one of the hub's schedules at a time. Its owner's lock guards it.
type timer struct {
	in *schedule
	// position is the place in the schedule's heap, counted from 1; 0 if the timer is not set. The schedule's lock guards it.
	position int
}

// maxSleep is the longest time after which a schedule looks at its clock, which may be set, or stop while the machine sleeps.
const maxSleep = time.Second

// schedule fires timers by a clock. It has no goroutine.
type schedule struct {
	// now is the clock, in nanoseconds.
	now func() int64

	mu     sync.Mutex
	timers timerHeap
	alarm  *time.Timer
	// wake is when the alarm goes off, by the clock; 0 if it is not set.
	wake int64
	// latest is the latest time that the clock has shown since it was last set back.
	latest int64
	closed bool
}

// nanoseconds returns a moment by Hub.wall. Those in the distant future, which have no such number, come never.
func nanoseconds(t time.Time) int64 {
	if t.Year() > 2200 {
		return math.MaxInt64
	}
	return t.UnixNano()
}

type scheduled struct {
	at    int64
	owner timed
}

type timerHeap []scheduled

// Len implements heap.Interface, as the methods that follow.
func (h timerHeap) Len() int           { return len(h) }
func (h timerHeap) Less(i, j int) bool { return h[i].at < h[j].at }

func (h timerHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].owner.clock().position, h[j].owner.clock().position = i+1, j+1
}

func (h *timerHeap) Push(x any) {
	s, _ := x.(scheduled)
	s.owner.clock().position = len(*h) + 1
	*h = append(*h, s)
}

func (h *timerHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = scheduled{}
	*h = old[:len(old)-1]
	last.owner.clock().position = 0
	return last
}

// set sets the timer of an owner, which is in this schedule or in none.
func (s *schedule) set(owner timed, at int64) { s.put(owner, at, false) }

// setEarlier is set, but leaves a timer that fires before.
func (s *schedule) setEarlier(owner timed, at int64) { s.put(owner, at, true) }

// setAsOf is set for a time that was found when the clock showed asOf, and is at least minNext from now. If the clock was set back
// since, the time may be too late, and the timer fires at once.
func (s *schedule) setAsOf(owner timed, at, asOf int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.latest = max(s.latest, now) // If the clock is set back from now on, ring finds out.
	at = max(at, now+int64(minNext))
	if now < asOf {
		at = now
	}
	s.insert(owner, at, false)
}

func (s *schedule) put(owner timed, at int64, onlyEarlier bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.insert(owner, at, onlyEarlier)
}

// insert is put with the lock held.
func (s *schedule) insert(owner timed, at int64, onlyEarlier bool) {
	if s.closed {
		return
	}
	switch t := owner.clock(); {
	case t.position == 0:
		heap.Push(&s.timers, scheduled{at, owner})
	case onlyEarlier && s.timers[t.position-1].at <= at:
		return
	default:
		s.timers[t.position-1].at = at
		heap.Fix(&s.timers, t.position-1)
	}
	s.setAlarm()
}

// setAlarm makes sure that the alarm goes off for the first timer.
func (s *schedule) setAlarm() {
	if len(s.timers) == 0 || s.closed {
		return
	}
	now := s.now()
	s.latest = max(s.latest, now)
	first := min(max(s.timers[0].at, now), now+int64(maxSleep))
	if s.wake != 0 && s.wake <= first {
		return
	}
	s.wake = first
	if d := time.Duration(first - now); s.alarm == nil {
		s.alarm = time.AfterFunc(d, s.ring)
	} else {
		s.alarm.Reset(d)
	}
}

// ring fires the timers whose time has come. If the clock was set back, it fires all: their owners have looked at it before.
func (s *schedule) ring() {
	s.mu.Lock()
	now := s.now()
	setBack := now < s.latest
	s.latest = now
	var due []timed
	for len(s.timers) > 0 && (setBack || s.timers[0].at <= now) {
		if next, ok := heap.Pop(&s.timers).(scheduled); ok {
			due = append(due, next.owner)
		}
	}
	s.wake = 0
	s.setAlarm()
	s.mu.Unlock()
	for _, owner := range due {
		owner.fire()
	}
}

func (s *schedule) remove(owner timed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := owner.clock(); t.position > 0 {
		heap.Remove(&s.timers, t.position-1)
	}
}

func (s *schedule) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for i := range s.timers {
		s.timers[i].owner.clock().position = 0
	}
	s.timers = nil
	if s.alarm != nil {
		s.alarm.Stop()
	}
}

// reset sets the owner's timer in a schedule, and takes it out of any other. The owner's lock must be held.
func (t *timer) reset(in *schedule, owner timed, at int64) {
	t.move(in, owner)
	in.set(owner, at)
}

// resetAsOf is reset by setAsOf.
func (t *timer) resetAsOf(in *schedule, owner timed, at, asOf int64) {
	t.move(in, owner)
	in.setAsOf(owner, at, asOf)
}

// move takes the owner's timer out of any other schedule.
func (t *timer) move(in *schedule, owner timed) {
	if t.in != nil && t.in != in {
		t.in.remove(owner)
	}
	t.in = in
}

// earlier is reset, but leaves a timer of the same schedule that fires before.
func (t *timer) earlier(in *schedule, owner timed, at int64) {
	if t.in != in {
		t.reset(in, owner, at)
		return
	}
	in.setEarlier(owner, at)
}

// stop takes the owner's timer out of its schedule. The owner's lock must be held.
func (t *timer) stop(owner timed) {
	if t.in != nil {
		t.in.remove(owner)
		t.in = nil
	}
}
