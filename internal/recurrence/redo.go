package recurrence

import (
	"time"
)

// Redo gives the open occurrence an outcome that it had before, and puts the series and its log into the state of that time, in which it
// had more occurrences than now. It undoes a Rewind or a Restore.
func (b *Batch) Redo(s *Series, outcome Outcome, at time.Time, state State) error {
	t := b.t
	schedule, err := scheduleOf(s.Recurrence, s.Open.Number)
	if err != nil {
		return err
	}
	over := s.Open
	over.Outcome, over.At, over.Version = string(outcome), &at, t.Version
	b.log = append(b.log, over)
	missed := state.LastNumber - over.Number
	if state.Open != nil {
		missed--
	}
	if missed > 0 {
		dues, _ := schedule.rule.Between(schedule.start, DueOf(over).value(), at.AddDate(0, 0, 2), missed) // Its day can be one later.
		for i, due := range dues {
			row := s.row(t, over.Number+1+i, schedule.due(due), Missed)
			row.At = &at
			b.log = append(b.log, row)
		}
	}
	s.FirstNumber, s.LastNumber, s.EndedAt, s.Open = state.FirstNumber, state.LastNumber, state.EndedAt, nil
	if state.Open != nil {
		s.Open = s.row(t, s.LastNumber, *state.Open, Open)
		b.log = append(b.log, s.Open)
	}
	b.save(s)
	return nil
}
