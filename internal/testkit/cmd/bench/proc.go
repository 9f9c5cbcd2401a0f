package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc: USER_HZ is 100 on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// The indexes of fields in /proc/PID/stat after the command's name.
const (
	statParent = 1
	statUser   = 11 // user time; system time follows
	statReaped = 13 // user time of ended children; system time follows
)

// stat returns the fields of /proc/PID/stat after the command's name.
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, fmt.Errorf("measuring CPU needs Linux's /proc: %w", err)
	}
	return strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:])), nil
}

// ticks returns the sum of the field at that index and the next one.
func ticks(fields []string, at int) time.Duration {
	user, _ := strconv.Atoi(fields[at])
	system, _ := strconv.Atoi(fields[at+1])
	return time.Duration(user+system) * tick
}

// cpu returns the CPU time that the server and all of PostgreSQL's processes have used so far.
func cpu(server, postmaster int) (time.Duration, time.Duration, error) {
	own, err := stat(server)
	if err != nil {
		return 0, 0, err
	}
	parent, err := stat(postmaster)
	if err != nil {
		return 0, 0, err
	}
	postgres := ticks(parent, statUser) + ticks(parent, statReaped)
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0, 0, err
	}
	for _, p := range processes {
		pid, _ := strconv.Atoi(filepath.Base(p))
		// The time of a process that has just ended is in its parent's.
		if child, err := stat(pid); err == nil && child[statParent] == strconv.Itoa(postmaster) {
			postgres += ticks(child, statUser)
		}
	}
	return ticks(own, statUser), postgres, nil
}

// postmasterOf returns the parent of PostgreSQL's processes.
func postmasterOf(ctx context.Context, pool *sql.DB) (int, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return 0, fmt.Errorf("connecting: %w", err)
	}
	defer conn.Close()
	var pid int
	if err := conn.QueryRowContext(ctx, "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		return 0, fmt.Errorf("asking for the process: %w", err)
	}
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(fields[statParent])
}

// residentMB returns the resident memory of a process, in MB.
func residentMB(pid int) (int, error) {
	kb, err := residentKB(pid)
	return kb >> 10, err
}

// residentKB returns the resident memory of a process, in kB. Other files of /proc say it less exactly.
func residentKB(pid int) (int, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, fmt.Errorf("measuring memory: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Rss:"); ok {
			kb := 0
			_, err := fmt.Sscan(rest, &kb)
			return kb, err
		}
	}
	return 0, errors.New("measuring memory: no Rss in smaps_rollup")
}

// liveKB returns the memory of what is reachable after a garbage collection, and of stacks, in kB, from the profiles that a Go
// program serves on the address.
func liveKB(ctx context.Context, address string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/debug/pprof/heap?gc=1&debug=1", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("measuring the heap: %w", err)
	}
	defer answer.Body.Close()
	var heap, stacks int
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "# HeapAlloc = %d", &heap)
		_, _ = fmt.Sscanf(lines.Text(), "# Stack = %d", &stacks)
	}
	if heap == 0 || stacks == 0 {
		return 0, errors.New("measuring the heap: the profile has no such numbers")
	}
	return (heap + stacks) >> 10, nil
}

// saveHeap writes the profile of the memory that is reachable to a file, from a Go program that serves it on the address.
func saveHeap(ctx context.Context, address, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/debug/pprof/heap?gc=1", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("reading the heap's profile: %w", err)
	}
	defer answer.Body.Close()
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := out.ReadFrom(answer.Body); err != nil {
		return fmt.Errorf("saving the heap's profile: %w", err)
	}
	return out.Close()
}
