//go:build !unix

package pgcluster

import "syscall"

// account is who runs PostgreSQL: outside Unix always ourselves.
type account struct{}

func unprivileged() (account, error) { return account{}, nil }

func (account) own(string) error { return nil }

func (account) attr() *syscall.SysProcAttr { return nil }
