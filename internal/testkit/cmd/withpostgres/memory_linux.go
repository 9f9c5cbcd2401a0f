package main

import (
	"fmt"
	"os"
	"syscall"
)

const (
	sharedMemory = "/dev/shm"
	// neededMemory is many times what the tests use at once.
	neededMemory = 2 << 30
	noexec       = 8 // ST_NOEXEC
)

// useMemory makes this process and the command keep their temporary files in memory, because creating and dropping a
// database is many small files: on a disk that takes three times the CPU. It does nothing if TMPDIR is set, or if there is no file
// system in memory that is large enough and can have programs. The compiler's files, which are large, stay on the disk.
// The function that it returns removes the folder.
func useMemory() (func(), error) {
	if os.Getenv("TMPDIR") != "" || !hasMemory() {
		return func() {}, nil
	}
	disk := os.TempDir()
	dir, err := os.MkdirTemp(sharedMemory, "taskql") // Short, because the path of a Unix socket is.
	if err != nil {
		return nil, fmt.Errorf("making a folder in memory: %w", err)
	}
	remove := func() { _ = os.RemoveAll(dir) }
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL runs as another user.
		remove()
		return nil, fmt.Errorf("opening the folder in memory to PostgreSQL: %w", err)
	}
	for name, value := range map[string]string{"TMPDIR": dir, "GOTMPDIR": disk} {
		if os.Getenv(name) == "" {
			if err := os.Setenv(name, value); err != nil {
				remove()
				return nil, fmt.Errorf("setting %s: %w", name, err)
			}
		}
	}
	return remove, nil
}

// hasMemory reports whether there is a file system in memory that is large enough and can have programs.
func hasMemory() bool {
	var fs syscall.Statfs_t
	err := syscall.Statfs(sharedMemory, &fs)
	return err == nil && fs.Flags&noexec == 0 && fs.Bavail*uint64(fs.Bsize) >= neededMemory
}
