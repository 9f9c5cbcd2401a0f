package rrule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The forms of UNTIL.
const (
	dayFormat    = "20060102"
	momentFormat = "20060102T150405Z"
)

// Parse reads a rule, in capital or small letters, with its parts in any order. It returns an *Error if the rule is too long, not
// one of RFC 5545, or not for tasks.
//
// SKIP=BACKWARD of RFC 7529 is accepted with BYMONTHDAY, and replaced by BYSETPOS, which every calendar understands.
func Parse(text string) (*Rule, error) {
	if len(text) > MaxLength {
		return nil, &Error{"", fmt.Sprintf("A rule has at most %d characters.", MaxLength)}
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			return nil, &Error{"", "A rule has only letters, digits and signs, and no spaces, as in FREQ=WEEKLY;BYDAY=MO."}
		}
	}
	p := parser{rule: &Rule{interval: 1}, seen: make(map[string]bool)}
	for part := range strings.SplitSeq(strings.ToUpper(text), ";") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || name == "" || value == "" {
			return nil, &Error{"", "A rule is a list of parts such as FREQ=WEEKLY;BYDAY=MO, separated by semicolons."}
		}
		if p.seen[name] {
			return nil, &Error{name, "A rule has each part once: " + name + " is there twice. Leave one out."}
		}
		if err := p.part(name, value); err != nil {
			return nil, err
		}
		p.seen[name] = true
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	if p.backward {
		if err := p.skipBackward(); err != nil {
			return nil, err
		}
	}
	return p.rule, nil
}

type parser struct {
	rule     *Rule
	seen     map[string]bool
	backward bool // SKIP=BACKWARD
}

// part reads one part of the rule.
func (p *parser) part(name, value string) error {
	r := p.rule
	var err error
	switch name {
	case "FREQ":
		return p.freq(value)
	case "INTERVAL":
		r.interval, err = number(name, value, 1, MaxInterval)
		return err
	case "COUNT":
		r.count, err = number(name, value, 1, MaxCount)
		return err
	case "UNTIL":
		return p.until(value)
	case "WKST":
		if r.weekStart = slices.Index(weekdays, value); r.weekStart < 0 {
			return &Error{name, "WKST is a weekday: MO, TU, WE, TH, FR, SA or SU."}
		}
		return nil
	case "BYDAY":
		return p.byDay(value)
	case "SKIP":
		if p.backward = value == "BACKWARD"; !p.backward && value != "OMIT" {
			return &Error{name, "SKIP is BACKWARD, for the month's last day, or OMIT."}
		}
		return nil
	case "RSCALE": // RFC 7529 demands it with SKIP.
		if value != "GREGORIAN" {
			return &Error{name, "RSCALE is GREGORIAN."}
		}
		return nil
	}
	for _, l := range lists {
		if l.name == name {
			return l.parse(r, value)
		}
	}
	return unknown(name)
}

// unknown returns the error for a part that no rule has.
func unknown(name string) error {
	if strings.HasPrefix(name, "RRULE:") || strings.HasPrefix(name, "DTSTART") {
		return &Error{"", "A rule begins with a part such as FREQ=WEEKLY, without RRULE: or DTSTART."}
	}
	return &Error{name, fmt.Sprintf("%.20s is not a part that rules of tasks may have: those are FREQ, INTERVAL, COUNT, UNTIL, WKST, SKIP, BYMONTH, BYWEEKNO, "+
		"BYYEARDAY, BYMONTHDAY, BYDAY, BYHOUR, BYMINUTE, BYSECOND and BYSETPOS.", name)}
}

func (p *parser) freq(value string) error {
	i := slices.Index(frequencies, value)
	if i < 0 {
		return &Error{"FREQ", "FREQ is DAILY, WEEKLY, MONTHLY or YEARLY. For several times a day use FREQ=DAILY with BYHOUR, as in FREQ=DAILY;BYHOUR=9,17."}
	}
	p.rule.freq = Frequency(i)
	return nil
}

func (p *parser) until(value string) error {
	r := p.rule
	format := momentFormat
	if r.untilDay = len(value) == len(dayFormat); r.untilDay {
		format = dayFormat
	}
	var err error
	if r.until, err = time.Parse(format, value); err != nil || r.until.Year() < 1 || r.until.IsZero() {
		return &Error{"UNTIL", "UNTIL is the last day, as in UNTIL=20261231, or the last moment in UTC, as in UNTIL=20261231T170000Z."}
	}
	return nil
}

func (p *parser) byDay(value string) error {
	for text := range strings.SplitSeq(value, ",") {
		var d weekday
		prefix := text[:max(0, len(text)-2)]
		d.day = slices.Index(weekdays, text[len(prefix):])
		if d.day >= 0 && prefix != "" {
			n, ok := integer(prefix)
			if n == 0 || n < -53 || n > 53 || !ok {
				d.day = -1
			}
			d.n = n
		}
		if d.day < 0 {
			return &Error{"BYDAY", "BYDAY is a list of weekdays such as MO,WE, each of which may have a number from 1 to 53 or -53 to -1, as in 2MO or -1FR."}
		}
		p.rule.days = append(p.rule.days, d)
	}
	p.rule.days = sorted(p.rule.days, compareDays)
	return nil
}

// parse reads a list of numbers.
func (l list) parse(r *Rule, value string) error {
	var values []int
	for text := range strings.SplitSeq(value, ",") {
		n, ok := integer(text)
		absolute := n
		if l.negative && n < 0 {
			absolute = -n
		} else if text[:min(1, len(text))] == "-" { // -0
			ok = false
		}
		if !ok || absolute < l.min || absolute > l.max {
			message := fmt.Sprintf("%s is a list of numbers from %d to %d", l.name, l.min, l.max)
			if l.negative {
				message += fmt.Sprintf(", or from -%d to -%d, which count from the end", l.max, l.min)
			}
			return &Error{l.name, message + "."}
		}
		if l.name == "BYSECOND" {
			n = min(n, 59) // RFC 5545: where there are no leap seconds, 60 means 59.
		}
		values = append(values, n)
	}
	*l.of(r) = sorted(values, compareNumbers)
	return nil
}

// integer reads up to four digits, which may have a sign.
func integer(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && len(text) <= 5
}

func number(name, text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most || text[0] == '+' {
		return 0, &Error{name, fmt.Sprintf("%s is a number from %d to %d.", name, least, most)}
	}
	return n, nil
}

// check refuses combinations of parts that RFC 5545 forbids.
func (p *parser) check() error {
	r := p.rule
	numbered := slices.ContainsFunc(r.days, func(d weekday) bool { return d.n != 0 })
	by := len(r.days) > 0
	for _, l := range lists {
		by = by || l.name != "BYSETPOS" && len(*l.of(r)) > 0
	}
	switch {
	case !p.seen["FREQ"]:
		return &Error{"FREQ", "A rule needs FREQ, which is DAILY, WEEKLY, MONTHLY or YEARLY."}
	case r.count > 0 && !r.until.IsZero():
		return &Error{"UNTIL", "A rule ends by COUNT or by UNTIL: give one of them."}
	case numbered && r.freq < Monthly:
		return &Error{"BYDAY", "BYDAY has numbers only if FREQ is MONTHLY or YEARLY: give weekdays such as BYDAY=MO,WE."}
	case numbered && len(r.weekNumbers) > 0:
		return &Error{"BYDAY", "BYDAY has no numbers if the rule has BYWEEKNO: give weekdays such as BYDAY=MO,WE."}
	case len(r.weekNumbers) > 0 && r.freq != Yearly:
		return &Error{"BYWEEKNO", "BYWEEKNO needs FREQ=YEARLY."}
	case len(r.yearDays) > 0 && r.freq != Yearly:
		return &Error{"BYYEARDAY", "BYYEARDAY needs FREQ=YEARLY."}
	case len(r.monthDays) > 0 && r.freq == Weekly:
		return &Error{"BYMONTHDAY", "BYMONTHDAY can't be used with FREQ=WEEKLY: use DAILY, MONTHLY or YEARLY."}
	case len(r.positions) > 0 && !by:
		return &Error{"BYSETPOS", "BYSETPOS selects from what other parts give: add one such as BYDAY=MO,TU,WE,TH,FR."}
	case r.timesOfDay() > MaxTimes:
		return &Error{"BYHOUR", fmt.Sprintf("BYHOUR, BYMINUTE and BYSECOND select at most %d times of day together.", MaxTimes)}
	}
	return nil
}

func (r *Rule) timesOfDay() int {
	return max(1, len(r.hours)) * max(1, len(r.minutes)) * max(1, len(r.seconds))
}

// skipBackward replaces SKIP=BACKWARD: the one day after the 28th becomes the last of 28 to that day, which every month has.
func (p *parser) skipBackward() error {
	r := p.rule
	if r.freq < Monthly || len(r.monthDays) == 0 {
		return &Error{"SKIP", "SKIP=BACKWARD needs FREQ=MONTHLY or YEARLY, and BYMONTHDAY, as in FREQ=MONTHLY;BYMONTHDAY=31;SKIP=BACKWARD."}
	}
	var late, early []int // The days that some months lack, and those before.
	for _, day := range r.monthDays {
		if day > 28 || day < -28 {
			late = append(late, day)
		} else {
			early = append(early, day)
		}
	}
	switch {
	case len(late) == 0: // Every month has these days.
		return nil
	case len(late) > 1 || late[0] < 0 || early != nil && early[len(early)-1] < 0:
		return &Error{"SKIP", "SKIP=BACKWARD takes one day after the 28th in BYMONTHDAY, besides days from 1 to 28."}
	case len(r.days) > 0 || len(r.yearDays) > 0 || len(r.weekNumbers) > 0 || len(r.positions) > 0 || r.timesOfDay() > 1:
		return &Error{"SKIP", "SKIP=BACKWARD can be combined with FREQ, INTERVAL, BYMONTH, BYMONTHDAY, COUNT and UNTIL only."}
	case r.freq == Yearly && len(r.months) != 1:
		return &Error{"SKIP", "SKIP=BACKWARD needs one month in BYMONTH if FREQ is YEARLY: use FREQ=MONTHLY for several."}
	}
	for i := range early {
		r.positions = append(r.positions, i+1)
	}
	r.positions = append(r.positions, -1)
	for day := 28; day <= late[0]; day++ {
		early = append(early, day)
	}
	r.monthDays = sorted(early, compareNumbers)
	return nil
}
