//go:build !unix

package database

import "syscall"

// connReadable always returns false: on this system a socket can't be checked without reading from it.
func connReadable(syscall.RawConn) bool { return false }
