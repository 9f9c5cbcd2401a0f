package task

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"taskql/ent"
	"taskql/internal/keyset"
)

// cursorOf returns the cursor of a row, decoded from base64url.
func cursorOf[T any](t *testing.T, o keyset.Order[T], row T) []byte {
	t.Helper()
	w, err := keyset.NewWindow(o, keyset.Args{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := base64.RawURLEncoding.DecodeString(keyset.List[T]{Order: o}.NewPage(w, []T{row}).Edges[0].Cursor)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Cursors of the default order are the first release's, byte for byte: clients hold cursors when a new release is deployed.
func TestCursorOfTheFirstRelease(t *testing.T) {
	t.Parallel()
	id := uuid.MustParse("0197b3a8-7c7e-7b3a-9d6e-2f0c8a1b4c5d")
	want := []byte{1}
	want = binary.BigEndian.AppendUint32(want, crc32.ChecksumIEEE([]byte("CREATED_AT DESC")))
	want = binary.BigEndian.AppendUint64(want, 1795417182123456)
	want = append(want, id[:]...)
	want = binary.BigEndian.AppendUint32(want, crc32.ChecksumIEEE(want))
	o, err := taskOrders.By(nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := cursorOf(t, o, &ent.Task{ID: id, CreatedAt: time.UnixMicro(1795417182123456)}); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
}

// An order's name in cursors never changes, for the same reason.
func TestOrderNames(t *testing.T) {
	t.Parallel()
	names := map[string][]Order{}
	notNull, nullable := []OrderField{"CREATED_AT", "UPDATED_AT", "PRIORITY", "TITLE", "MANUAL"}, []OrderField{"COMPLETED_AT", "DUE"}
	for _, f := range OrderFields() {
		if !slices.Contains(notNull, f) && !slices.Contains(nullable, f) {
			t.Errorf("add %s to the fields of this test", f)
		}
	}
	for _, f := range notNull {
		names[string(f)+" ASC"] = []Order{{Field: f, Direction: keyset.Ascending, Nulls: keyset.NullsFirst}}
		names[string(f)+" DESC"] = []Order{{Field: f, Direction: keyset.Descending}}
	}
	for _, f := range nullable {
		names[string(f)+" ASC"] = []Order{{Field: f, Nulls: keyset.NullsLast}}
		names[string(f)+" DESC NULLS FIRST"] = []Order{{Field: f, Direction: keyset.Descending, Nulls: keyset.NullsFirst}}
	}
	names["DUE ASC, PRIORITY DESC, TITLE ASC"] = []Order{{Field: "DUE"}, {Field: "PRIORITY", Direction: keyset.Descending}, {Field: "TITLE"}}
	wantName := func(cursor []byte, name string) {
		if binary.BigEndian.Uint32(cursor[1:]) != crc32.ChecksumIEEE([]byte(name)) {
			t.Errorf("cursors are not named %q", name)
		}
	}
	for name, by := range names {
		o, err := taskOrders.By(by)
		if err != nil {
			t.Fatal(err)
		}
		wantName(cursorOf(t, o, &ent.Task{}), name)
	}
	wantName(cursorOf(t, manualOrder(), &ent.Task{}), "MANUAL ASC")
	wantName(cursorOf(t, tagOrder(), &ent.Tag{}), "tags by name")
}
