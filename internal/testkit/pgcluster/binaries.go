package pgcluster

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// binaries returns the folder with initdb and postgres: that of the machine's PostgreSQL, else of one that is
// downloaded once into the user's cache.
func binaries() (string, error) {
	if dir, err := Programs("initdb", "postgres"); err == nil {
		return dir, nil
	}
	return download()
}

// Programs returns the folder of the machine's PostgreSQL that has all of these programs, or an error that wraps
// ErrNoBinaries.
func Programs(names ...string) (string, error) {
	for _, dir := range folders(names[0]) {
		if complete(dir, names...) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%w: %s", ErrNoBinaries, strings.Join(names, ", "))
}

// folders returns the folders that may have PostgreSQL's programs: the one in the PATH that has program, pg_config's,
// and those of Debian and Homebrew, the newest version first.
func folders(program string) []string {
	var candidates []string
	if path, err := exec.LookPath(program); err == nil {
		candidates = append(candidates, filepath.Dir(path))
		if target, err := filepath.EvalSymlinks(path); err == nil {
			candidates = append(candidates, filepath.Dir(target))
		}
	}
	if output, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		candidates = append(candidates, strings.TrimSpace(string(output)))
	}
	return append(candidates, installed("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
		"/home/linuxbrew/.linuxbrew/opt/postgresql*/bin", "/Applications/Postgres.app/Contents/Versions/*/bin")...)
}

// installed returns the folders that match the patterns, for each pattern the newest version first.
func installed(patterns ...string) []string {
	var found []string
	for _, pattern := range patterns {
		matches, _ := filepath.Glob(pattern) // The only error is a bad pattern, and these are constants.
		slices.SortFunc(matches, func(a, b string) int { return major(b) - major(a) })
		found = append(found, matches...)
	}
	return found
}

// major returns the first number in the name of the folder above bin: 15 for /usr/lib/postgresql/15/bin.
func major(bin string) int {
	name := filepath.Base(filepath.Dir(bin))
	start := strings.IndexFunc(name, func(r rune) bool { return r >= '0' && r <= '9' })
	if start < 0 {
		return 0
	}
	digits := name[start:]
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits = digits[:end]
	}
	number, _ := strconv.Atoi(digits)
	return number
}

// complete reports whether a folder has all of the programs.
func complete(dir string, names ...string) bool {
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// download downloads PostgreSQL's programs from Maven's repository. The library also starts and stops a server, which
// may fail, for example because it can't run as root. Only the programs are needed.
func download() (string, error) {
	if runtime.GOOS == "windows" {
		return "", fmt.Errorf("%w: set TEST_DATABASE_URL", ErrNoBinaries)
	}
	// The unprivileged user can't run programs in root's home.
	cache := "/var/cache"
	if os.Geteuid() != 0 {
		var err error
		if cache, err = os.UserCacheDir(); err != nil {
			return "", fmt.Errorf("finding the user's cache: %w", err)
		}
	}
	cache = filepath.Join(cache, "taskql", "postgres-"+string(embeddedpostgres.V17))
	bin := filepath.Join(cache, "bin")
	if complete(bin, "initdb", "postgres") {
		return bin, nil
	}
	runtimeDir, err := os.MkdirTemp("", "taskql-embedded-")
	if err != nil {
		return "", fmt.Errorf("making a folder for the download: %w", err)
	}
	server := embeddedpostgres.NewDatabase(embeddedpostgres.DefaultConfig().Version(embeddedpostgres.V17).
		Port(0).BinariesPath(cache).CachePath(filepath.Join(cache, "download")).RuntimePath(runtimeDir).Logger(io.Discard))
	startErr := server.Start()
	if startErr == nil {
		startErr = server.Stop()
	}
	if err := os.RemoveAll(runtimeDir); err != nil {
		return "", fmt.Errorf("removing the download's folder: %w", err)
	}
	if !complete(bin, "initdb", "postgres") {
		return "", fmt.Errorf("%w: install them or set TEST_DATABASE_URL; the download failed: %w", ErrNoBinaries,
			cmp.Or(startErr, errors.New("it is incomplete")))
	}
	return bin, nil
}
