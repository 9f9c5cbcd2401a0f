//go:build !unix

package pgcluster

import "syscall"

// account is the user who runs PostgreSQL: outside of Unix, always the current user.
type account struct{}

func unprivileged() (account, error) { return account{}, nil }

func (account) chown(string) error { return nil }

func (account) sysProcAttr() *syscall.SysProcAttr { return nil }
