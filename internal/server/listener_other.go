//go:build !linux

package server

import "net"

// refuseNew does nothing where the kernel has no socket filters: draining works without, almost as well.
func refuseNew(*net.TCPListener) {}

// waiting would be the number of connections in the backlog, which only Linux tells.
func waiting(*net.TCPListener) int { return 0 }
