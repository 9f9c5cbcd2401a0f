package task

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// The manual order is a fractional index: every task has a key, keys are compared byte by byte, and between any two there
// is room for another. A key is an integer, and where that is not enough a fraction:
//
//	a0, a1 … az, b00, b01 …   the integers from 0 on: a letter that says how many digits follow, and the digits
//	Zz, Zy … Z0, Yzz …        those below 0, in which the letter counts the other way round
//	a0V, a0l                  between a0 and a1: digits that never end in 0
//
// So appending and prepending change the integer, and the key stays short.
//
// What is put at the end needs no look at what is there: its key is made of the workspace's version (endKey), which only
// grows.
const digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// firstKey is the key of the first task of all.
const firstKey = "a0"

// maxKey is the length at which siblings are spaced anew. It takes 6,000 moves to one and the same place to get there, and an
// index takes keys of 2,700 bytes.
const maxKey = 1024

// endDigits is how many digits the integer of an end key has. They are hexadecimal, since SQL can write those: enough for
// 17 trillion changes.
const endDigits = 11

// endLetter says so. Counting from a0 by appending alone never gets there.
const endLetter = 'a' + endDigits - 1

// endKey returns the key of what the change of that version puts at the end: behind all that is there, wherever that is,
// since every key before was made by an earlier version, or between such. (The release before counts on from the last key,
// one for each task: where it has put n tasks there in one change, the next n changes come no further.) The same as endKeySQL.
func endKey(version int) []byte { return fmt.Appendf(nil, "%c%0*x", endLetter, endDigits, version) }

// endKeySQL is endKey in PostgreSQL's words; %s is the version.
const endKeySQL = `('k' || lpad(to_hex(%s), 11, '0'))::bytea`

// endKeys returns n keys in order for the change of that version: behind the one that it gave last, where that is not nil,
// and before what the next change puts there.
func endKeys(version int, given []byte, n int) ([][]byte, bool) {
	var keys [][]byte
	if given == nil && n > 0 {
		given = endKey(version)
		keys, n = append(keys, given), n-1
	}
	more, ok := keysBetween(given, endKey(version+1), n)
	return append(keys, more...), ok
}

// keyBetween returns a key that comes after a and before b. An empty a is the beginning of all; a nil b is the end. It
// is false where nothing fits between, because they are equal or not keys of ours.
func keyBetween(a, b []byte) ([]byte, bool) {
	n := integerLength(a)
	if len(a) > 0 && n == 0 || b != nil && (integerLength(b) == 0 || bytes.Compare(a, b) >= 0) {
		return nil, false
	}
	switch {
	case len(a) == 0 && b == nil:
		return []byte(firstKey), true
	case len(a) == 0:
		return keyBefore(b)
	}
	whole, fraction := a[:n], a[n:]
	if b != nil && bytes.HasPrefix(b, whole) {
		return slices.Concat(whole, fractionBetween(fraction, b[n:])), true
	}
	if next, ok := step(whole, 1); ok && (b == nil || bytes.Compare(next, b) < 0) {
		return next, true
	}
	return slices.Concat(whole, fractionBetween(fraction, nil)), true
}

// keyBefore returns a key before b.
func keyBefore(b []byte) ([]byte, bool) {
	n := integerLength(b)
	if n < len(b) {
		return slices.Clone(b[:n]), true // The integer alone comes before any fraction of it.
	}
	return step(b, -1)
}

// keysBetween returns n keys in order between a and b: appended or prepended one by one where one side is open, else from
// the middle, so that they stay short.
func keysBetween(a, b []byte, n int) ([][]byte, bool) {
	keys := make([][]byte, 0, n)
	switch {
	case n == 0:
		return keys, true
	case b == nil:
		for range n {
			key, ok := keyBetween(a, nil)
			if !ok {
				return nil, false
			}
			keys, a = append(keys, key), key
		}
		return keys, true
	case len(a) == 0:
		for range n {
			key, ok := keyBetween(nil, b)
			if !ok {
				return nil, false
			}
			keys, b = append(keys, key), key
		}
		slices.Reverse(keys)
		return keys, true
	}
	middle, ok := keyBetween(a, b)
	if !ok {
		return nil, false
	}
	left, leftOK := keysBetween(a, middle, n/2)
	right, rightOK := keysBetween(middle, b, n-n/2-1)
	return slices.Concat(left, [][]byte{middle}, right), leftOK && rightOK
}

// integerLength is the length of a key's integer, its letter included; 0 where it is no key.
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

// step returns the integer after (1) or before (-1); false at the end of all.
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

// fractionBetween returns a fraction between a and b; a nil b is 1. Neither ends in 0, and nor does the result.
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
		return append(common, b[0]) // b without the rest is still more than a.
	}
	return slices.Concat(common, []byte{digits[low]}, fractionBetween(a[min(1, len(a)):], nil))
}

// digitAt is the value of a fraction's digit; after its end there are only zeros.
func digitAt(fraction []byte, i int) int {
	if i >= len(fraction) {
		return 0
	}
	return strings.IndexByte(digits, fraction[i])
}
