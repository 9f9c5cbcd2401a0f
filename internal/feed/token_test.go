package feed

import (
	"bytes"
	"encoding/base64"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
)

// tokens are tokens as clients keep them. Their form must not change: what is kept today is sent in 90 days.
func tokens() map[string]token {
	id := uuid.MustParse("0197c2c0-0000-7000-8000-0123456789ab")
	epoch, of := [8]byte{1, 2, 3, 4, 5, 6, 7, 8}, hashWorkspace("alice")
	return map[string]token{
		"AQECAwQFBgcIK9gGyX8OAK8AAAAA5-uI8dqr": {epoch: epoch, workspace: of},
		"AQECAwQFBgcIK9gGyX8OAK_SCQDApOKM566YAwAAAQABLQAC__8PAgD-qI1JtYwXb0xMFLBv": { // complete
			epoch: epoch, workspace: of, version: 1234, at: time.Date(2026, 11, 30, 4, 0, 0, 123456000, time.UTC),
			parts: []part{{columns: 1}, {order: 1, columns: 0x2d}, {order: 2, columns: 0x3ffff, nested: digests([]string{"tags.id", "parent.id"})}},
		},
		"AQECAwQFBgcIK9gGyX8OAK8HzAkABQGXwsAAAHAAgAABI0VniasCgICAgICAgIBAAEaXbYjBuQ": { // cut
			epoch: epoch, workspace: of, version: 7, begun: 1234, place: &place{section: 5, id: id},
			parts: []part{{order: 2, columns: 1 << 62}},
		},
	}
}

func TestToken(t *testing.T) {
	t.Parallel()
	for want, of := range tokens() {
		got := of.encode()
		if got != want {
			t.Errorf("%s", got)
		}
		back, err := decodeToken(got)
		if err != nil || !reflect.DeepEqual(*back, of) {
			t.Errorf("%+v became %+v, %v", of, back, err)
		}
		if len(got) > 110 {
			t.Errorf("a token of %d bytes", len(got))
		}
		for i := range got { // A change of any character is found out.
			for _, c := range []byte("A_b0") {
				b := []byte(got)
				b[i] = c
				if string(b) == got {
					continue
				}
				if _, err := decodeToken(string(b)); err == nil {
					t.Errorf("%s is no token, and is taken for one", b)
				}
			}
		}
		for i := range got {
			if _, err := decodeToken(got[:i]); err == nil {
				t.Errorf("%s is the beginning of a token, and is taken for one", got[:i])
			}
		}
	}
}

// FuzzToken reads anything: there is one way to write each token.
func FuzzToken(f *testing.F) {
	for _, of := range tokens() {
		b, _ := base64.RawURLEncoding.DecodeString(of.encode())
		f.Add(b[:len(b)-checksumSize])
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		text := seal(bytes.Clone(body))
		of, err := decodeToken(text)
		if err != nil {
			return
		}
		if got := of.encode(); got != text {
			t.Errorf("%s was written as %s", got, text)
		}
		if of.version < 0 || of.begun < 0 || of.begun != 0 && of.begun < of.version {
			t.Errorf("%+v", of)
		}
	})
}

func TestCovers(t *testing.T) {
	t.Parallel()
	nested, other := digests([]string{"tags.id", "tags.name"}), digests([]string{"tags.id", "tags.color"})
	for _, c := range []struct {
		name             string
		copied, selected []part
		want             bool
	}{
		{"nothing of nothing", nil, nil, true},
		{"the same", []part{{order: 2, columns: 6, nested: nested}}, []part{{order: 2, columns: 6, nested: nested}}, true},
		{"a column less", []part{{order: 2, columns: 6}}, []part{{order: 2, columns: 2}}, true},
		{"a kind less", []part{{order: 1, columns: 1}, {order: 2, columns: 6}}, []part{{order: 2, columns: 6}}, true},
		{"nothing nested any more", []part{{order: 2, columns: 6, nested: nested}}, []part{{order: 2, columns: 6}}, true},
		{"less nested", []part{{order: 2, columns: 6, nested: nested}}, []part{{order: 2, columns: 6, nested: nested[:1]}}, true},
		{"a column more", []part{{order: 2, columns: 6}}, []part{{order: 2, columns: 7}}, false},
		{"a kind more", []part{{order: 2, columns: 6}}, []part{{columns: 1}, {order: 2, columns: 6}}, false},
		{"something nested", []part{{order: 2, columns: 6}}, []part{{order: 2, columns: 6, nested: nested}}, false},
		{"something else nested", []part{{order: 2, columns: 6, nested: other}}, []part{{order: 2, columns: 6, nested: nested}}, false},
	} {
		if got := covers(c.copied, c.selected); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
	}
}
