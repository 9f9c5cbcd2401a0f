package task

import (
	"errors"
	"time"
)

// ErrBusy is returned where a change waited too long for the changes of its workspace before it. Nothing has happened.
var ErrBusy = errors.New("other changes of the workspace take too long")

// lockWait is how long a change waits for its turn, in memory and in the database together. It is shorter than the pool's
// patience with a silent server, and than a request may take.
const lockWait = 5 * time.Second

// maxWriters is how many changes of one workspace this process has in the database: one at work, and the next, so that no
// time passes between them. All others wait in memory, where they hold no connection that other workspaces need.
const maxWriters = 2
