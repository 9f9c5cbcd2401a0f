//go:build !linux

package main

// useMemory does nothing: only Linux has a folder in memory at a known place.
func useMemory() (func(), error) { return func() {}, nil }
