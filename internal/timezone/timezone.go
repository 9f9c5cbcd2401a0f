// Package timezone knows the names of the IANA time zone database, and their zones. It has a copy of the database of its own,
// so that all machines accept the same names and compute the same days: time.LoadLocation reads the host's files first,
// whatever they are, and takes paths for names.
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

// zone is a zone of the database.
type zone struct {
	name     string
	location func() (*time.Location, error)
}

// zones are all of the database, by their names in lower case.
var zones = sync.OnceValue(func() map[string]zone { //nolint:gochecknoglobals // Read once, never changed.
	archive, err := zip.NewReader(bytes.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		panic(fmt.Errorf("timezone: reading the embedded database: %w", err)) // A test reads it.
	}
	zones := make(map[string]zone, len(archive.File))
	for _, file := range archive.File {
		if file.Name == "Factory" || file.FileInfo().IsDir() { // Factory is what is there before somebody sets a zone.
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

// Load returns the time zone of that name, written in any case. The result's String is the name in its proper case.
func Load(name string) (*time.Location, error) {
	found, ok := zones()[lower(name)]
	if !ok {
		return nil, fmt.Errorf("the time zone database has no %q", name)
	}
	return found.location()
}

// Names returns all names, sorted.
func Names() []string {
	names := make([]string, 0, len(zones()))
	for _, zone := range zones() {
		names = append(names, zone.name)
	}
	slices.Sort(names)
	return names
}

// lower is the name with its letters from A to Z in lower case. Names have no other letters, and strings.ToLower makes
// such of the Kelvin sign and of a Turkish I.
func lower(name string) string {
	b := []byte(name)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
