package reminder

import "context"

// RezoneAll and FireDue are the two parts of Fire.
func (s *Service) RezoneAll(ctx context.Context) error { return s.rezoneAll(ctx) }

func (s *Service) FireDue(ctx context.Context) error { return s.fireDue(ctx, s.now()) }
