package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"

	"taskql/internal/config"
)

// Listen opens the configured address: all addresses, IPv6 included, if HOST is empty. The error names the variable to
// change.
func Listen(ctx context.Context, cfg config.Config) (net.Listener, error) {
	listener, err := listen(ctx, net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)))
	if err != nil {
		return nil, explainListen(ctx, cfg, err)
	}
	return listener, nil
}

// CheckPort returns the error that Listen would return now, so that a port in use is found before the database is
// migrated. It lets go of the port again: clients that connect while the migrations run have to be refused, as by a
// server that isn't there yet, and not left waiting for an answer.
func CheckPort(ctx context.Context, cfg config.Config) error {
	listener, err := Listen(ctx, cfg)
	if err != nil {
		return err
	}
	return listener.Close()
}

// explainListen says what to change if an address can't be listened on.
func explainListen(ctx context.Context, cfg config.Config, err error) error {
	var lookup *net.DNSError
	switch {
	case errors.As(err, &lookup):
		return fmt.Errorf("HOST %s can't be resolved: set HOST to an address of this machine, or leave it empty to listen on all of its addresses: %w", cfg.Host, err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("PORT %d is in use by another program: stop that program, or choose another port, such as PORT=%d: %w", cfg.Port, freePort(ctx, cfg), err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("PORT %d needs privileges that this process doesn't have: choose one from 1024 on, such as PORT=%d: %w", cfg.Port, freePort(ctx, cfg), err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("HOST %s is not an address of this machine: leave HOST empty to listen on all of its addresses: %w", cfg.Host, err)
	default:
		return err
	}
}

// freePort returns a port that is free on the configured host: the next one above PORT if there is one nearby, else any.
func freePort(ctx context.Context, cfg config.Config) int {
	const lowest, tries, highest = 1024, 100, 65535
	first := max(cfg.Port+1, lowest)
	for port := first; port < first+tries && port <= highest; port++ {
		if listener, err := listen(ctx, net.JoinHostPort(cfg.Host, strconv.Itoa(port))); err == nil {
			_ = listener.Close()
			return port
		}
	}
	listener, err := listen(ctx, net.JoinHostPort(cfg.Host, "0"))
	if err != nil {
		return first
	}
	defer func() { _ = listener.Close() }()
	return portOf(listener.Addr(), first)
}

// listen opens a plain TCP socket. Multipath TCP, Go's default, is of no use behind a proxy, and its sockets
// can't keep new connections out while the server drains.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}

// baseURL is where people reach the server that listens on address: its domain on Railway, the configured host, or
// localhost if it listens on all addresses.
func baseURL(cfg config.Config, address net.Addr) string {
	if cfg.RailwayPublicDomain != "" {
		return "https://" + strings.ToLower(cfg.RailwayPublicDomain)
	}
	host := cfg.Host
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(portOf(address, cfg.Port)))
}

// portOf is an address's port, or other if it has none.
func portOf(address net.Addr, other int) int {
	if tcp, ok := address.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return other
}
