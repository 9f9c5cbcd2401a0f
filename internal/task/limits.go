package task

import (
	"cmp"

	"taskql/internal/project"
)

// Limits are the limits of a workspace. Zero values stand for the defaults.
type Limits struct {
	// Tasks is how many tasks a workspace can have, those in the trash included. Default: 100,000.
	Tasks int
	// Tags is how many tags a workspace can have. Default: 500.
	Tags int
	// TagsPerTask is how many tags a task can have. Default: 50.
	TagsPerTask int
	// Subtasks is how many subtasks a task can have, those in the trash not included. Default: 1,000.
	Subtasks int
	// Depth is how many levels of tasks there can be, the top level included. Default: 5.
	Depth int
	// HistoryBytes is how many bytes the old descriptions in a workspace's history may have. Default: 16 MiB.
	HistoryBytes int
	// Projects is how many projects a workspace can have: see project.Limits. Tasks that move to another workspace take theirs along.
	Projects int
}

// maxBulk is how many tasks a bulk mutation can name.
const maxBulk = 100

func (l Limits) withDefaults() Limits {
	return Limits{
		Tasks:       cmp.Or(l.Tasks, 100_000),
		Tags:        cmp.Or(l.Tags, 500),
		TagsPerTask: cmp.Or(l.TagsPerTask, 50),
		Subtasks:    cmp.Or(l.Subtasks, 1_000),
		Depth:       cmp.Or(l.Depth, 5),

		HistoryBytes: cmp.Or(l.HistoryBytes, 16<<20),
		Projects:     project.Limits{Projects: l.Projects}.WithDefaults().Projects,
	}
}
