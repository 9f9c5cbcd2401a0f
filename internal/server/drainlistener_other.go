//go:build !linux

package server

import "net"

// refuseConnections does nothing, because only Linux has socket filters. Draining works without, almost as well.
func refuseConnections(*net.TCPListener) {}

// backlogLength returns 0, because only Linux tells the number of connections that wait for Accept.
func backlogLength(*net.TCPListener) int { return 0 }
