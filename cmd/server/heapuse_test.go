package main

import "testing"

func TestHeapPercent(t *testing.T) {
	t.Parallel()
	for live, want := range map[uint64]int{
		0: gcPercent, 4 << 20: gcPercent, maxGarbage / 4: 400, maxGarbage: 100, 2 * maxGarbage: 50, 100 * maxGarbage: minGCPercent,
	} {
		if got := (heapUse{live: live}).percent(); got != want {
			t.Errorf("%d MB live: %d %%, want %d %%", live>>20, got, want)
		}
	}
}

func TestHeapIsWasted(t *testing.T) {
	t.Parallel()
	const mb = 1 << 20
	last := heapUse{allocated: 1000 * mb}
	for name, tt := range map[string]struct {
		use  heapUse
		kept uint64
		want bool
	}{
		"quiet, with much garbage":       {heapUse{allocated: 1001 * mb, live: 50 * mb, resident: 90 * mb}, 0, true},
		"busy":                           {heapUse{allocated: 1100 * mb, live: 50 * mb, resident: 90 * mb}, 0, false},
		"quiet, with little garbage":     {heapUse{allocated: 1001 * mb, live: 50 * mb, resident: 75 * mb}, 0, false},
		"it can't be returned":           {heapUse{allocated: 1001 * mb, live: 50 * mb, resident: 90 * mb}, 20 * mb, false},
		"more than what can't be":        {heapUse{allocated: 1001 * mb, live: 50 * mb, resident: 110 * mb}, 20 * mb, true},
		"a small heap":                   {heapUse{allocated: 1001 * mb, live: 2 * mb, resident: 15 * mb}, 0, false},
		"most of a large heap was freed": {heapUse{allocated: 1001 * mb, live: 5 * mb, resident: 60 * mb}, 20 * mb, true},
	} {
		if got := tt.use.isWasted(last, tt.kept); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// The names of metrics must be known, else their values can't be read.
func TestReadHeapUse(t *testing.T) {
	t.Parallel()
	if use := readHeapUse(); use.allocated == 0 || use.resident == 0 {
		t.Errorf("got %+v", use)
	}
}
