//go:build !linux

package streamconn

import "net"

func setUserTimeout(net.Conn) {}
