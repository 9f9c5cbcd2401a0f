package task

import "cmp"

// Limits are the limits of a workspace. Zero takes the default.
type Limits struct {
	// Tasks is how many a workspace has, the trash included. Default: 100,000.
	Tasks int
	// Tags is how many a workspace has. Default: 500.
	Tags int
	// TagsPerTask is how many a task carries. Default: 50.
	TagsPerTask int
	// Subtasks is how many a parent has, the trash not included. Default: 1,000.
	Subtasks int
	// Depth is how many levels of tasks there are, the top one included. Default: 5.
	Depth int
}

// maxBulk is how many tasks one bulk mutation takes.
const maxBulk = 100

func (l Limits) withDefaults() Limits {
	return Limits{
		Tasks:       cmp.Or(l.Tasks, 100_000),
		Tags:        cmp.Or(l.Tags, 500),
		TagsPerTask: cmp.Or(l.TagsPerTask, 50),
		Subtasks:    cmp.Or(l.Subtasks, 1_000),
		Depth:       cmp.Or(l.Depth, 5),
	}
}
