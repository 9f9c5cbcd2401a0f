package rrule_test

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"taskql/internal/rrule"
	"taskql/internal/testkit"
	"taskql/internal/timezone"
)

// costly has the rules that cost most: without occurrences, with many, and with lists as long as they may be.
func costly() []string {
	return []string{
		"FREQ=DAILY",
		"FREQ=DAILY;COUNT=10000",
		"FREQ=DAILY;BYHOUR=" + numbers(0, 23),
		"FREQ=DAILY;BYHOUR=" + numbers(0, 23) + ";COUNT=10000",
		"FREQ=DAILY;BYHOUR=" + numbers(0, 23) + ";BYSETPOS=" + numbers(1, 24),
		"FREQ=YEARLY;BYHOUR=" + numbers(0, 23) + ";BYDAY=MO,TU,WE,TH,FR,SA,SU",
		"FREQ=YEARLY;BYSETPOS=" + numbers(1, 110) + ";BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=0,1,2,3",
		"FREQ=MONTHLY;BYSETPOS=366;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=" + numbers(0, 11),
		"FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30",
		"FREQ=DAILY;INTERVAL=7;BYDAY=MO;BYMONTHDAY=30,31;BYMONTH=2",
		"FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
		"FREQ=YEARLY;BYYEARDAY=" + numbers(250, 366),
		"FREQ=YEARLY;BYYEARDAY=" + numbers(1, 99) + ";BYWEEKNO=53",
		"FREQ=YEARLY;BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12;BYMONTHDAY=" + numbers(-31, -1) + ";BYYEARDAY=-366",
		"FREQ=YEARLY;BYMONTHDAY=" + numbers(1, 31) + "," + numbers(-31, -1) + ";BYDAY=MO,TU,WE,TH,FR,SA,SU;BYSETPOS=366;BYHOUR=1",
		"FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,53SU;BYMONTHDAY=" + numbers(1, 31),
		"FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,53SU;BYMONTH=" + numbers(1, 12) + ";BYMONTHDAY=" + numbers(1, 31),
		"FREQ=YEARLY;BYWEEKNO=" + numbers(1, 53) + "," + numbers(-53, -1) + ";BYMONTHDAY=31",
		"FREQ=WEEKLY;INTERVAL=1000;BYMONTH=2",
		"FREQ=YEARLY;COUNT=10000;BYSETPOS=366;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=" + numbers(0, 23),
		"FREQ=MONTHLY;COUNT=10000;BYSETPOS=366;BYDAY=MO,TU,WE,TH,FR,SA,SU;BYHOUR=" + numbers(0, 11),
		"FREQ=YEARLY;COUNT=10000;BYDAY=MO,TU,WE,TH,FR,SA,53SU;BYMONTHDAY=" + numbers(1, 31),
		"FREQ=YEARLY;COUNT=10000;BYYEARDAY=" + numbers(1, 99) + ";BYWEEKNO=53",
		"FREQ=DAILY;COUNT=10000;BYMONTH=2;BYMONTHDAY=30",
	}
}

func numbers(first, last int) string {
	var texts []string
	for n := first; n <= last; n++ {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ",")
}

// costlyOperations calls fn with what costs most of each rule: 50 occurrences from the start, the next ones 50 years later, all
// within 50 years counted, and the first within a day, which is examined for many series at once; and of a series that starts as
// early as it may, the next one and those that were missed.
func costlyOperations(tb testing.TB, rules []string, fn func(name string, operation func())) {
	tb.Helper()
	zone, err := timezone.Load("America/New_York")
	if err != nil {
		tb.Fatal(err)
	}
	start := moment(time.Date(2026, time.January, 1, 2, 30, 0, 0, zone), zone)
	later := start.At.AddDate(rrule.Years, 0, 0)
	old := moment(time.Date(rrule.FirstYear, time.January, 1, 2, 30, 0, 0, zone), zone)
	for _, text := range rules {
		rule, err := rrule.Parse(text)
		if err != nil {
			tb.Fatalf("%s: %v", text, err)
		}
		text = text[:min(len(text), 60)]
		fn("First/"+text, func() { rule.First(start, 50) })
		fn("After/"+text, func() { rule.After(start, later, 50) })
		fn("Within/"+text, func() { rule.Within(start, later, later.AddDate(0, 0, 1)) })
		fn("Between/"+text, func() { rule.Between(start, *start.At, later, 1000) })
		fn("Old After/"+text, func() { rule.After(old, *start.At, 50) })
		fn("Old Between/"+text, func() { rule.Between(old, *old.At, *start.At, 1000) })
	}
}

// BenchmarkCostly shows the CPU time of each. None may take 20 ms.
func BenchmarkCostly(b *testing.B) {
	costlyOperations(b, costly(), func(name string, operation func()) {
		b.Run(name, func(b *testing.B) {
			before := cpuTime(b)
			for b.Loop() {
				operation()
			}
			b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N)/1e6, "cpu-ms/op")
		})
	})
}

// No operation with any rule takes 20 ms of CPU: the costly rules and 1,000 random ones.
func TestFaultsCostlyRules(t *testing.T) {
	testkit.Suite(t, "faults")
	rules, random := costly(), rand.New(rand.NewPCG(4, 0))
	for range 1000 {
		text, _ := randomRule(random)
		rules = append(rules, text)
	}
	var longest time.Duration
	costlyOperations(t, rules, func(name string, operation func()) {
		least := time.Hour
		for range 3 { // The garbage collector may charge one of them.
			before := cpuTime(t)
			operation()
			least = min(least, cpuTime(t)-before)
		}
		longest = max(longest, least)
		if least > 20*time.Millisecond {
			t.Errorf("%s took %v of CPU", name, least)
		}
	})
	t.Logf("the costliest operation took %v of CPU", longest)
}

// cpuTime returns how long the process has used a processor.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
