// Package timezone loads time zones of the IANA database from a copy in the binary, so that all machines accept the same names
// and compute the same days. time.LoadLocation reads the host's files first, of whatever version, and accepts paths as names.
//
// The copy is Go's, of version 2025c. To update it:
//
//	cp "$(go env GOROOT)/lib/time/zoneinfo.zip" internal/timezone/
package timezone

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"
)

//go:embed zoneinfo.zip
var zoneinfo []byte

// zone is a time zone of the database, which is read when it is first used.
type zone struct {
	name     string
	location func() (*time.Location, error)
}

// zones returns all time zones by their names in lower case.
var zones = sync.OnceValue(func() map[string]zone { //nolint:gochecknoglobals // Read once, never changed.
	archive, err := zip.NewReader(bytes.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		panic(fmt.Errorf("timezone: reading the embedded database: %w", err)) // TestNames reads it.
	}
	zones := make(map[string]zone, len(archive.File))
	for _, file := range archive.File {
		if file.Name == "Factory" || file.FileInfo().IsDir() { // Factory stands for an unset zone.
			continue
		}
		zones[lower(file.Name)] = zone{name: file.Name, location: sync.OnceValues(func() (*time.Location, error) { return read(file) })}
	}
	return zones
})

func read(file *zip.File) (*time.Location, error) {
	if file.Name == time.UTC.String() {
		return time.UTC, nil
	}
	r, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return time.LoadLocationFromTZData(file.Name, data)
}

// Load returns the time zone with this IANA name, in upper or lower case. The result's String method returns the name in its
// proper case. It returns an error if the database has no such zone.
func Load(name string) (*time.Location, error) {
	zone, ok := zones()[lower(name)]
	if !ok {
		return nil, fmt.Errorf("the time zone database has no %q: give an IANA name such as Asia/Karachi", name)
	}
	return zone.location()
}

// Names returns the names of all time zones, sorted.
func Names() []string {
	names := make([]string, 0, len(zones()))
	for _, zone := range zones() {
		names = append(names, zone.name)
	}
	slices.Sort(names)
	return names
}

// lower returns name with the letters A to Z in lower case. Names have no other letters, and strings.ToLower would turn the
// Kelvin sign into a k.
func lower(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
