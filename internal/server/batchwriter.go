package server

import (
	"io"
	"sync"
	"time"
)

const (
	// batchDelay is how long a line may wait for others.
	batchDelay = 100 * time.Millisecond
	// maxBatch is the size of a batch in bytes. It is the most that a pipe takes in one piece (PIPE_BUF on Linux), so that the
	// lines of two processes don't mix.
	maxBatch = 4 << 10
)

// batchWriter writes lines in batches, because a system call costs as much as making ten lines. It is safe for concurrent
// use.
type batchWriter struct {
	w     io.Writer
	delay time.Duration

	mu    sync.Mutex
	batch []byte
	timer *time.Timer
}

// Write implements io.Writer. line must be a whole line.
func (b *batchWriter) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.batch)+len(line) > maxBatch {
		_ = b.writeBatch() // The error is about other lines.
	}
	if len(line) > maxBatch {
		return b.w.Write(line) //nolint:wrapcheck // An io.Writer's own error.
	}
	first := len(b.batch) == 0
	b.batch = append(b.batch, line...)
	switch {
	case b.delay == 0:
		return len(line), b.writeBatch()
	case first && b.timer == nil:
		b.timer = time.AfterFunc(b.delay, b.flush)
	case first:
		b.timer.Reset(b.delay)
	}
	return len(line), nil
}

// flush writes the lines that wait. It ignores errors, which could only be logged.
func (b *batchWriter) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	_ = b.writeBatch()
}

// writeBatch writes the lines that wait. After an error they are lost, as they would be without waiting.
func (b *batchWriter) writeBatch() error {
	if len(b.batch) == 0 {
		return nil
	}
	_, err := b.w.Write(b.batch)
	b.batch = b.batch[:0]
	return err //nolint:wrapcheck // An io.Writer's own error.
}
