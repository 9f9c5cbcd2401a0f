package live

import "sync"

// pool calls do for each item that is pushed, in their order, by a bounded number of goroutines. They exist only while there is
// something to do.
type pool[T any] struct {
	do      func(T)
	workers int

	mu      sync.Mutex
	queue   []T
	running int
	closed  bool
	wg      sync.WaitGroup
}

func (p *pool[T]) push(item T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.queue = append(p.queue, item)
	if p.running < p.workers {
		p.running++
		p.wg.Go(p.work)
	}
}

func (p *pool[T]) work() {
	for {
		item, ok := p.pop()
		if !ok {
			return
		}
		p.do(item)
	}
}

// pop takes the first item. If there is none, the worker ends.
func (p *pool[T]) pop() (T, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var item, zero T
	if len(p.queue) == 0 {
		p.running--
		p.queue = nil
		return item, false
	}
	item, p.queue[0] = p.queue[0], zero
	p.queue = p.queue[1:]
	return item, true
}

// close drops what is waiting, and waits for what is being done.
func (p *pool[T]) close() {
	p.mu.Lock()
	p.closed, p.queue = true, nil
	p.mu.Unlock()
	p.wg.Wait()
}
