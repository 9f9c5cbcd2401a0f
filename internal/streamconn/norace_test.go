//go:build !race

package streamconn

const raceEnabled = false
