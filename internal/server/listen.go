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

// Listen listens on the configured address. If HOST is empty, these are all addresses, IPv6 included. The error names the
// variable to change.
func Listen(ctx context.Context, cfg config.Config) (net.Listener, error) {
	listener, err := listen(ctx, net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)))
	if err != nil {
		return nil, explainListen(ctx, cfg, err)
	}
	return listener, nil
}

// CheckPort returns the error that Listen would return, so that a port in use is found before the database is migrated. It
// closes the port again: clients that connect during migrations must be refused, instead of waiting for an answer.
func CheckPort(ctx context.Context, cfg config.Config) error {
	listener, err := Listen(ctx, cfg)
	if err != nil {
		return err
	}
	return listener.Close()
}

// explainListen adds to an error of listen what to change.
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

// freePort returns a free port of the configured host: the next one above PORT if there is one nearby, or any.
func freePort(ctx context.Context, cfg config.Config) int {
	const lowest, attempts, highest = 1024, 100, 65535
	first := max(cfg.Port+1, lowest)
	for port := first; port < first+attempts && port <= highest; port++ {
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

// listen opens a TCP socket without Multipath TCP, which is Go's default. That is of no use behind a proxy, and its sockets
// can't refuse new connections while the server drains.
func listen(ctx context.Context, address string) (net.Listener, error) {
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	listener, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	return listener, nil
}

// baseURL returns the URL of the server that listens on address, for people: its domain on Railway, the configured host, or
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

// portOf returns an address's port, or fallback if it has none.
func portOf(address net.Addr, fallback int) int {
	if tcp, ok := address.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return fallback
}
