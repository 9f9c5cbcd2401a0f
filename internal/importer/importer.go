// Package importer copies the tasks and tags of the original FastAPI back end, whose tables it inspects because no two
// are alike, into the workspaces of their users. It may be run again: what is here already stays as it is.
package importer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"taskql/ent"
	// ent's schemas say what the privacy net is, and are wired up here.
	_ "taskql/ent/runtime"
	"taskql/ent/userremoval"
	"taskql/internal/account"
	"taskql/internal/betterauth"
	"taskql/internal/database"
	"taskql/internal/task"
	"taskql/internal/timezone"
	"taskql/internal/viewer"
)

// batchSize is how many tasks are taken in one transaction. It holds the workspace's lock for some tens of milliseconds,
// so that a server at work on the same workspace does not notice.
const batchSize = 200

// lockWait is how long a batch waits for a workspace that a server is at work on.
const lockWait = time.Minute

// maxUserID is the longest id of a user, in bytes. PostgreSQL has no index entries much longer than twice that.
const maxUserID = 1000

// ErrIncomplete is returned where something was not taken, or not as it was. The report says what.
var ErrIncomplete = errors.New("not everything was taken")

// Config is what an import works with.
type Config struct {
	// From is the address of the original's PostgreSQL. It is only read.
	From string
	// DB is this server's database, migrated.
	DB *database.DB
	// Users are the ids of those whose things are copied; all where empty. Who is named here need not be in the source's
	// table of users.
	Users []string
	// DryRun changes nothing, and reports what would become of everything.
	DryRun bool
	// Verbose reports each row, where else there are a few of a kind.
	Verbose bool
	// MaxTasks, MaxTags and MaxTagsPerTask are the limits of a workspace, as task.Limits has them.
	MaxTasks, MaxTags, MaxTagsPerTask int
	// Out gets the report, Progress a line now and then, which overwrites the last one where Terminal is set.
	Out, Progress io.Writer
	Terminal      bool
	// Now is the clock; time.Now where nil.
	Now func() time.Time
	// Log is told of a database that is not up yet.
	Log *slog.Logger
}

// run is one import.
type run struct {
	Config

	client   *ent.Client
	accounts *account.Service
	tasks    *task.Service
	source   *source
	report   *report
	progress *progress
}

// Run imports. The error is ErrIncomplete where something was left behind; after any other error the same again goes on
// where it ended.
func Run(ctx context.Context, c Config) error {
	if c.Now == nil {
		c.Now = time.Now
	}
	ctx = viewer.AsSystem(ctx)
	if err := checkSource(c.From); err != nil {
		return err
	}
	from, err := database.Open(ctx, database.Config{URL: c.From, ReadOnly: true, MaxOpenConns: 1, Log: c.Log})
	if err != nil {
		return fmt.Errorf("opening the source: %w", err)
	}
	err = c.importFrom(ctx, from)
	if closing := from.Close(); closing != nil {
		err = errors.Join(err, fmt.Errorf("closing the source: %w", closing))
	}
	return err
}

// checkSource refuses what is no address of a PostgreSQL.
func checkSource(from string) error {
	if err := database.CheckURL(from); err != nil {
		return fmt.Errorf("reading the address of the source: %w", err)
	}
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(from)), "sqlite") {
		return errors.New("reading the address of the source: it must be a PostgreSQL, postgres://…")
	}
	return nil
}

func (c Config) importFrom(ctx context.Context, from *database.DB) error {
	src, err := open(ctx, from.SQL)
	if err != nil {
		return err
	}
	defer func() { _ = src.tx.Rollback() }() // It only read.
	client := ent.NewClient(ent.Driver(c.DB.Driver()))
	if _, err := client.UserRemoval.Query().Exist(ctx); err != nil { // The newest table.
		return fmt.Errorf("looking at %s, which `server migrate` makes ready: %w", c.DB, err)
	}
	accounts, err := account.New(account.Config{Client: client, Now: c.Now})
	if err != nil {
		return fmt.Errorf("setting up accounts: %w", err)
	}
	tasks, err := task.New(task.Config{
		Client: client, Now: c.Now, LockWait: lockWait,
		Limits: task.Limits{Tasks: c.MaxTasks, Tags: c.MaxTags, TagsPerTask: c.MaxTagsPerTask},
	})
	if err != nil {
		return fmt.Errorf("setting up tasks: %w", err)
	}
	total, err := src.countTasks(ctx, c.Users)
	if err != nil {
		return err
	}
	r := &run{
		Config: c, client: client, accounts: accounts, tasks: tasks, source: src,
		report: newReport(c.DryRun, c.Verbose), progress: &progress{out: c.Progress, terminal: c.Terminal, now: c.Now, total: total},
	}
	if err := r.all(ctx); err != nil {
		r.progress.end()
		return fmt.Errorf("%w\nwhat was taken stays; give the same command again to go on", err)
	}
	r.progress.end()
	if err := r.report.write(c.Out); err != nil {
		return err
	}
	if r.report.incomplete() {
		return ErrIncomplete
	}
	return nil
}

// all copies everything of everybody who is to be copied.
func (r *run) all(ctx context.Context) error {
	owners, err := r.source.owners(ctx)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for _, o := range owners {
		if len(r.Users) > 0 && !slices.Contains(r.Users, o.id()) {
			continue
		}
		found[o.id()] = true
		if err := r.owner(ctx, o); err != nil {
			return fmt.Errorf("user %q: %w", o.id(), err)
		}
	}
	for _, id := range r.Users {
		if !found[id] {
			r.report.refuse("user", id, "there is nothing of this user in the source")
		}
	}
	if len(r.Users) > 0 {
		return nil // What belongs to nobody is no concern of theirs.
	}
	strays, err := r.source.strays(ctx)
	if err != nil {
		return err
	}
	for what, n := range strays {
		r.report.stray(what, n)
	}
	return nil
}

// owner copies what one user has.
func (r *run) owner(ctx context.Context, o owner) error {
	if reason := r.unfit(o); reason != "" {
		return r.refuse(ctx, o, reason)
	}
	switch erased, err := r.client.UserRemoval.Query().Where(userremoval.ID(viewer.UserHash(o.id()))).Exist(ctx); {
	case err != nil:
		return fmt.Errorf("looking for erased users: %w", err)
	case erased:
		return r.refuse(ctx, o, "the user was erased here a short while ago")
	}
	v, err := r.viewer(ctx, o)
	if err != nil {
		return err
	}
	r.report.users++
	tags, err := r.copyTags(ctx, v, o)
	if err != nil {
		return err
	}
	seen, planned := map[uuid.UUID]bool{}, 0
	return r.source.tasksOf(ctx, o, batchSize, func(rows []sourceTask) error {
		n, err := r.copyTasks(ctx, v, rows, tags, task.ImportOptions{DryRun: r.DryRun, Planned: planned}, seen)
		if r.DryRun {
			planned += n
		}
		r.progress.add(len(rows))
		return err
	})
}

// refuse reports an owner, and all that is the owner's.
func (r *run) refuse(ctx context.Context, o owner, reason string) error {
	const because = "its user was not taken"
	r.report.refuse("user", o.id(), reason)
	tags, err := r.source.tagsOf(ctx, o)
	if err != nil {
		return err
	}
	for _, row := range tags {
		r.report.refuse("tag", row.id.String, because)
	}
	return r.source.tasksOf(ctx, o, batchSize, func(rows []sourceTask) error {
		for _, row := range rows {
			r.report.refuse("task", row.id.String, because)
		}
		r.progress.add(len(rows))
		return nil
	})
}

// unfit says why the owner can't be taken; "" where nothing speaks against it.
func (r *run) unfit(o owner) string {
	switch {
	case strings.TrimSpace(o.id()) == "":
		return "the user's id is empty"
	case !utf8.ValidString(o.id()):
		return "the user's id is not UTF-8"
	case len(o.id()) > maxUserID:
		return fmt.Sprintf("the user's id has more than %d bytes", maxUserID)
	case o.user == nil && r.source.users.name != "" && len(r.Users) == 0:
		return "there is no such user in the source's table of users; --user takes one all the same"
	default:
		return ""
	}
}

// viewer returns the user's viewer. A user who is not here yet is made, but in a dry run; one who is stays as he is.
func (r *run) viewer(ctx context.Context, o owner) (viewer.Viewer, error) {
	v := viewer.Viewer{UserID: o.id(), WorkspaceID: o.id(), Location: time.UTC}
	row, err := r.client.User.Get(ctx, o.id())
	switch {
	case ent.IsNotFound(err):
		user, noted := r.userOf(o)
		r.report.note("user", o.id(), noted)
		if r.DryRun {
			return v, nil
		}
		return r.accounts.Viewer(ctx, &betterauth.Session{User: user})
	case err != nil:
		return viewer.Viewer{}, fmt.Errorf("reading the user: %w", err)
	}
	if zone, err := timezone.Load(row.TimeZone); err == nil {
		v.Location = zone
	}
	return v, nil
}

// userOf is the user as a session would tell. What the source doesn't know, or has in no usable form, comes with the first
// real one.
func (r *run) userOf(o owner) (betterauth.User, notes) {
	if o.user == nil {
		return betterauth.User{ID: o.id()}, nil
	}
	var n notes
	user := betterauth.User{
		ID: o.user.id, Name: n.utf8(r.source.userName, o.user.name), Email: n.utf8(r.source.userEmail, o.user.email),
		CreatedAt: n.time("the time it was made", r.source.userCreated, o.user.created),
	}
	if o.user.image != nil {
		if image := n.utf8(r.source.userImage, *o.user.image); image != "" {
			user.Image = &image
		}
	}
	return user, n
}

// copyTags takes the owner's tags and returns the ids they have here, by those they have there.
func (r *run) copyTags(ctx context.Context, v viewer.Viewer, o owner) (map[string]uuid.UUID, error) {
	rows, err := r.source.tagsOf(ctx, o)
	if err != nil {
		return nil, err
	}
	tags, noted, from := make([]task.ImportedTag, 0, len(rows)), make([]notes, 0, len(rows)), make([]string, 0, len(rows))
	for _, row := range rows {
		if reason := notUTF8(text{r.source.tagName, row.name.String}); reason != "" {
			r.report.refuse("tag", row.id.String, reason)
			continue
		}
		t, n := r.source.tag(row, v.UserID)
		tags, noted, from = append(tags, t), append(noted, n), append(from, row.id.String)
	}
	if len(tags) == 0 {
		return map[string]uuid.UUID{}, nil
	}
	outcomes, err := r.tasks.ImportTags(ctx, v, tags, task.ImportOptions{DryRun: r.DryRun})
	if err != nil {
		return nil, err
	}
	ids := make(map[string]uuid.UUID, len(rows))
	for i, outcome := range outcomes {
		r.report.add("tag", from[i], outcome, noted[i])
		if len(outcome.Problems) == 0 {
			ids[canonical(from[i])] = outcome.ID
		}
	}
	return ids, nil
}

// copyTasks takes a batch and returns how many of it are new here.
func (r *run) copyTasks(
	ctx context.Context, v viewer.Viewer, rows []sourceTask, tags map[string]uuid.UUID, o task.ImportOptions, seen map[uuid.UUID]bool,
) (int, error) {
	tasks, noted, ids := make([]task.ImportedTask, 0, len(rows)), make([]notes, 0, len(rows)), make([]string, 0, len(rows))
	for _, row := range rows {
		t, n := r.source.task(row, v.UserID, tags)
		if seen[t.ID] {
			r.report.refuse("task", row.id.String, "another task of the source has the same id")
			continue
		}
		if reason := notUTF8(text{r.source.title, row.title.String}, text{r.source.description, row.description.String}); reason != "" {
			r.report.refuse("task", row.id.String, reason)
			continue
		}
		seen[t.ID] = true
		tasks, noted, ids = append(tasks, t), append(noted, n), append(ids, row.id.String)
	}
	outcomes, err := r.tasks.ImportTasks(ctx, v, tasks, o)
	if err != nil {
		return 0, err
	}
	taken := 0
	for i, outcome := range outcomes {
		r.report.add("task", ids[i], outcome, noted[i])
		if !outcome.Known && len(outcome.Problems) == 0 {
			taken++
		}
	}
	return taken, nil
}
