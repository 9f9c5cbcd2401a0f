// Package fracindex makes the keys of a manual order. Keys are compared byte by byte, and between any two of them there is
// room for another (a fractional index), so that moving an item writes that item alone.
//
// A key is an integer, followed by a fraction if that is not enough:
//
//	a0, a1 … az, b00, b01 …   the integers from 0 up: a letter that tells how many digits follow, and the digits
//	Zz, Zy … Z0, Yzz …        the integers below 0, whose letters count the other way round
//	a0V, a0l                  between a0 and a1: digits of which the last is not 0
//
// Appending and prepending change the integer, so the key stays short.
//
// An item at the end of a list needs no look at the list: its key is made of the workspace's version (End), which only grows.
package fracindex

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// First is the key of the first item of a list.
const First = "a0"

// MaxLength is the length in bytes at which a list's items should get new keys. It takes 6,000 moves to the same place to
// reach it, and PostgreSQL's indexes take keys of 2,700 bytes.
const MaxLength = 1024

// endDigits is how many digits the integer of an end key has. They are hexadecimal, because SQL can write those. They
// suffice for 17 trillion versions.
const endDigits = 11

// endLetter is the letter of an integer with endDigits digits. Appending from First never gets that far.
const endLetter = 'a' + endDigits - 1

// End returns the key of the item that the change with this version puts at the end of a list. It comes after every key
// that was made before, because each of those was made by End for an earlier version, or between two such keys. (The
// previous release appends to the last key instead: if one of its changes has put n items at the end, the next n changes of
// this release may come before them.) EndSQL makes the same key.
func End(version int) []byte { return fmt.Appendf(nil, "%c%0*x", endLetter, endDigits, version) }

// EndSQL is the expression of PostgreSQL that returns End; %s stands for the version.
const EndSQL = `('k' || lpad(to_hex(%s), 11, '0'))::bytea`

// EndN returns n keys in ascending order for items that the change with this version puts at the end: after last, the last
// key that this change has been given, or nil, and before End of the next version. It returns false if last is not a key of
// this version.
func EndN(version int, last []byte, n int) ([][]byte, bool) {
	var keys [][]byte
	if last == nil && n > 0 {
		last = End(version)
		keys, n = append(keys, last), n-1
	}
	more, ok := BetweenN(last, End(version+1), n)
	return append(keys, more...), ok
}

// Between returns a key after a and before b. An empty a is the beginning of the list, a nil b its end. It returns false if
// nothing fits between them, because they are equal, in the wrong order, or not keys of this package.
func Between(a, b []byte) ([]byte, bool) {
	n := integerLength(a)
	if len(a) > 0 && n == 0 || b != nil && (integerLength(b) == 0 || bytes.Compare(a, b) >= 0) {
		return nil, false
	}
	switch {
	case len(a) == 0 && b == nil:
		return []byte(First), true
	case len(a) == 0:
		return before(b)
	}
	integer, fraction := a[:n], a[n:]
	if b != nil && bytes.HasPrefix(b, integer) {
		return slices.Concat(integer, fractionBetween(fraction, b[n:])), true
	}
	if next, ok := step(integer, 1); ok && (b == nil || bytes.Compare(next, b) < 0) {
		return next, true
	}
	return slices.Concat(integer, fractionBetween(fraction, nil)), true
}

// BetweenN returns n keys in ascending order between a and b. If one side is open it appends or prepends them one by one;
// otherwise it bisects, so that the keys stay short. It returns false as Between does.
func BetweenN(a, b []byte, n int) ([][]byte, bool) {
	keys := make([][]byte, 0, n)
	switch {
	case n == 0:
		return keys, true
	case b == nil:
		for range n {
			key, ok := Between(a, nil)
			if !ok {
				return nil, false
			}
			keys, a = append(keys, key), key
		}
		return keys, true
	case len(a) == 0:
		for range n {
			key, ok := Between(nil, b)
			if !ok {
				return nil, false
			}
			keys, b = append(keys, key), key
		}
		slices.Reverse(keys)
		return keys, true
	}
	middle, ok := Between(a, b)
	if !ok {
		return nil, false
	}
	left, leftOK := BetweenN(a, middle, n/2)
	right, rightOK := BetweenN(middle, b, n-n/2-1)
	return slices.Concat(left, [][]byte{middle}, right), leftOK && rightOK
}

// before returns a key before b, and false if there is none.
func before(b []byte) ([]byte, bool) {
	n := integerLength(b)
	if n < len(b) {
		return slices.Clone(b[:n]), true // The integer alone comes before the integer with a fraction.
	}
	return step(b, -1)
}

// integerLength returns the length of a key's integer with its letter; 0 if it is not a key.
func integerLength(key []byte) int {
	if len(key) == 0 {
		return 0
	}
	n := 0
	switch c := key[0]; {
	case 'a' <= c && c <= 'z':
		n = int(c-'a') + 2
	case 'A' <= c && c <= 'Z':
		n = int('Z'-c) + 2
	}
	notADigit := func(r rune) bool { return !strings.ContainsRune(digits, r) }
	if n > len(key) || bytes.ContainsFunc(key, notADigit) || len(key) > n && key[len(key)-1] == digits[0] {
		return 0
	}
	return n
}

// step returns the next integer if by is 1, and the previous one if it is -1. It returns false after the last and before
// the first.
func step(integer []byte, by int) ([]byte, bool) {
	next := slices.Clone(integer)
	for i := len(next) - 1; i > 0; i-- {
		d := strings.IndexByte(digits, next[i]) + by
		if d >= 0 && d < len(digits) {
			next[i] = digits[d]
			return next, true
		}
		next[i] = digits[(d+len(digits))%len(digits)] // And carry.
	}
	wrapped := next[len(next)-1]
	switch letter := next[0]; {
	case by > 0 && letter == 'Z':
		return []byte("a0"), true
	case by < 0 && letter == 'a':
		return []byte("Zz"), true
	case by > 0 && letter == 'z', by < 0 && letter == 'A':
		return nil, false
	case by > 0 && letter >= 'a', by < 0 && letter <= 'Z': // One digit more.
		next = append(next, wrapped)
	default:
		next = next[:len(next)-1]
	}
	next[0] = byte(int(next[0]) + by) //nolint:gosec // It stays a letter.
	return next, true
}

// fractionBetween returns a fraction between a and b, of which neither ends in 0; nor does the result. A nil b stands for 1.
func fractionBetween(a, b []byte) []byte {
	var common []byte
	for len(b) > 0 && digitAt(a, 0) == strings.IndexByte(digits, b[0]) {
		common = append(common, b[0])
		a, b = a[min(1, len(a)):], b[1:]
	}
	low, high := digitAt(a, 0), len(digits)
	if len(b) > 0 {
		high = strings.IndexByte(digits, b[0])
	}
	if high-low > 1 {
		return append(common, digits[(low+high)/2])
	}
	if len(b) > 1 {
		return append(common, b[0]) // The first digit of b alone is less than b, and still more than a.
	}
	return slices.Concat(common, []byte{digits[low]}, fractionBetween(a[min(1, len(a)):], nil))
}

// digitAt returns the value of a fraction's digit, which is 0 after the fraction's end.
func digitAt(fraction []byte, i int) int {
	if i >= len(fraction) {
		return 0
	}
	return strings.IndexByte(digits, fraction[i])
}
