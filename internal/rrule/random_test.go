package rrule_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"taskql/internal/rrule"
)

// randomRule returns a rule that Parse accepts, and a start for it, which need not be an occurrence.
func randomRule(r *rand.Rand) (string, time.Time) {
	start := time.Date(2000+r.IntN(60), time.Month(1+r.IntN(12)), 1+r.IntN(31), r.IntN(24), 15*r.IntN(4), 0, 0, time.UTC)
	for {
		if text := draw(r, start); accepted(text) {
			return text, start
		}
	}
}

func accepted(text string) bool {
	_, err := rrule.Parse(text)
	return err == nil
}

// draw returns a rule, which may have parts that can't be combined.
func draw(r *rand.Rand, start time.Time) string {
	freq := []string{"DAILY", "WEEKLY", "MONTHLY", "YEARLY"}[r.IntN(4)]
	parts := []string{"FREQ=" + freq}
	add := func(odds int, part string) {
		if r.IntN(odds) == 0 {
			parts = append(parts, part)
		}
	}
	add(2, "INTERVAL="+strconv.Itoa(1+r.IntN(14)))
	add(3, "BYMONTH="+values(r, 4, 1, 12, false))
	add(30, "BYWEEKNO="+values(r, 3, 1, 53, true))
	add(12, "BYYEARDAY="+values(r, 5, 1, 366, true))
	add(3, "BYMONTHDAY="+values(r, 4, 1, 31, true))
	add(2, "BYDAY="+days(r, freq))
	add(12, "BYHOUR="+values(r, 3, 0, 23, false))
	add(20, "BYMINUTE="+values(r, 3, 0, 59, false))
	add(30, "BYSECOND="+values(r, 2, 0, 59, false))
	add(5, "BYSETPOS="+values(r, 3, 1, []int{4, 31, 366}[r.IntN(3)], true))
	add(3, "WKST="+weekday(r))
	if r.IntN(2) == 0 {
		add(3, "COUNT="+strconv.Itoa(1+r.IntN(30)))
	} else {
		add(3, "UNTIL="+start.AddDate(0, 0, r.IntN(3000)-100).Format("20060102T150405Z"))
	}
	return strings.Join(parts, ";")
}

// values returns up to most numbers, with negative ones if the part may have them.
func values(r *rand.Rand, most, low, high int, negative bool) string {
	var texts []string
	for range 1 + r.IntN(most) {
		n := low + r.IntN(high-low+1)
		if negative && r.IntN(3) == 0 {
			n = -n
		}
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ",")
}

func weekday(r *rand.Rand) string {
	return []string{"MO", "TU", "WE", "TH", "FR", "SA", "SU"}[r.IntN(7)]
}

// days returns weekdays, all of them with numbers or none.
func days(r *rand.Rand, freq string) string {
	var texts []string
	numbered := (freq == "MONTHLY" || freq == "YEARLY") && r.IntN(2) == 0
	for range 1 + r.IntN(4) {
		day := weekday(r)
		if numbered {
			n := 1 + r.IntN(5)
			if r.IntN(3) == 0 {
				n = -n
			}
			day = fmt.Sprintf("%d%s", n, day)
		}
		texts = append(texts, day)
	}
	return strings.Join(texts, ",")
}
